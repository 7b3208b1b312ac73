#!/usr/bin/env bash
# The runs behind the curves of docs/faces.md, an hour on one core. Every run sees as many crops as the first, except the two
# that vary just that, so that people and images are not mistaken for compute.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-runs/curves}

fit() { # NAME EPOCHS [FIELD=VALUE…]
  local name=$1 epochs=$2
  shift 2
  if [ -e "$runs/$name/metrics.json" ]; then return; fi
  convoy-train fit training/recipes/face-embedder-tiny.yaml --run "$runs/$name" \
    --set "epochs=$epochs" $(printf -- '--set %s ' "$@")
}

fit all 16 seed=1
fit triplet 18 triplets.margin=0.2 triplets.faces_per_person=4 optimizer.name=adamw optimizer.lr=1.0e-3 optimizer.weight_decay=0.01
fit people-1000 92 people=1000
fit images-4 25 different_images=4
fit people-2000 44 people=2000
fit epochs-32 32 seed=1
fit epochs-4 4 seed=1
convoy-train scaling "$runs"/* --report "$runs/scaling.html"
