#!/usr/bin/env bash
# Whether this project works with the oldest transformers and torch that are tried: golden cases, one training and its
# resumption, one generation. It needs a network, about 6 GB of disk and some minutes, and leaves the environment in VENV.
#   tools/oldest_versions.sh [<folder of golden cases>]
set -euo pipefail
cd "$(dirname "$0")/.."
TRANSFORMERS=${TRANSFORMERS:-5.17.0} TORCH=${TORCH:-2.11.0} VENV=${VENV:-.venv-oldest} PYTHON=${PYTHON:-python3}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
grep -vE '^(torch|triton|transformers|tokenizers|huggingface.hub|nvidia|cuda)' constraints.txt > "$constraints"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" \
  --editable . "torch==$TORCH" "transformers==$TRANSFORMERS" pytest pytest-timeout pytest-xdist
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1
"$VENV/bin/python" -c 'import torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__)'
[ $# -eq 0 ] || "$VENV/bin/arc-parity" "$1"
"$VENV/bin/python" -m pytest -n 0 -p no:cacheprovider tests/training/test_fit.py tests/model/decoder/test_families.py \
  tests/inference/generation/test_generating.py tests/model/checkpoint/test_pretrained.py
