#!/usr/bin/env bash
# What one more JPEG copy of CIFAR-10 costs a classifier: the same short training on the pictures as they are, and on a copy
# re-encoded at the same quality and colour resolution, its blocks four pixels off the first ones. A quarter of an hour on one core.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-runs/jpeg}
mkdir -p "$runs"

python - "$runs/twice.npz" <<'PYTHON'
import sys

import numpy as np
import simplejpeg
from convoy_training.data import cifar
from tqdm import tqdm

parts = [cifar.load_split("train"), cifar.load_split("validation")]
files, changes = [], []
for picture in tqdm(np.concatenate([part.images for part in parts]), desc="re-encoding", disable=None):
    canvas = np.pad(picture, ((4, 0), (4, 0), (0, 0)), mode="reflect")
    copy = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(canvas, quality=75, colorsubsampling="420"))
    changes.append(np.mean((copy[4:, 4:].astype(float) - picture) ** 2))
    # Kept without further loss worth speaking of: the copy is what the one encoding above made of it.
    files.append(simplejpeg.encode_jpeg(np.ascontiguousarray(copy[4:, 4:]), quality=100, colorsubsampling="444"))
print(f"changed by {np.sqrt(np.mean(changes)):.1f} grey levels, root mean square")
np.savez(
    sys.argv[1],
    data=np.frombuffer(b"".join(files), np.uint8),
    offsets=np.cumsum([0, *map(len, files)]),
    labels=np.concatenate([part.labels for part in parts]),
    classes=np.array(parts[0].classes, "S"),
)
PYTHON

for copy in once twice; do
  data=()
  if [ "$copy" = twice ]; then data=(--set "data.path=$(realpath "$runs/twice.npz")"); fi
  convoy-train fit training/recipes/cifar10-resnet-base.yaml --run "$runs/$copy" --set precision=32-true \
    --set 'widths=[32, 64, 128]' --set epochs=5 "${data[@]}"
done
