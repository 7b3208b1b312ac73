#!/usr/bin/env bash
# Generates the Python code of proto/ into DIR (by default services/), where package path = Python path.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-services}
bin=${VENV:-.venv}/bin
export PATH="$bin:$PATH"
python -m grpc_tools.protoc -I proto --python_out="$out" --grpc_python_out="$out" \
  --mypy_out="quiet:$out" --mypy_grpc_out="quiet:$out" $(cd proto && find convoy -name '*.proto' | sort)
