#!/usr/bin/env bash
# Generates the Python code of proto/ into DIR (by default services/), where package path = Python path.
# Beside the code lies a link to each file of proto/, so that wheels carry them.
# The code runs on the protobuf and grpcio that made it and on later ones, so an old generator makes it, in build/protoc.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-services}
bin=${VENV:-.venv}/bin
if [ ! -e build/protoc/ready ]; then
  "$bin/python" -m venv build/protoc
  build/protoc/bin/pip install --quiet grpcio-tools==1.72.2 protobuf==6.33.6
  touch build/protoc/ready
fi
export PATH="$bin:$PATH"
build/protoc/bin/python -m grpc_tools.protoc -I proto --python_out="$out" --grpc_python_out="$out" \
  --mypy_out="quiet:$out" --mypy_grpc_out="quiet:$out" $(cd proto && find convoy -name '*.proto' | sort)
if [ "$out" = services ]; then
  for file in $(cd proto && find convoy -name '*.proto'); do ln -sf "../../../proto/$file" "services/$file"; done
fi
