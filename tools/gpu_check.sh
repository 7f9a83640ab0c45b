#!/usr/bin/env bash
# What this project does on one GPU, in at most 12 minutes and without a network. It needs Python 3.11 or newer with
# torch and this project's other dependencies; WHEELS=<folder> installs the missing ones from files.
#   tools/gpu_check.sh --golden ../shared/parity --output logs/gpu_check
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
if [ -n "${WHEELS:-}" ]; then
  "$PYTHON" -m pip install --quiet --no-index --no-deps --upgrade --target logs/gpu_check_site "$WHEELS"/*.whl
  export PYTHONPATH="logs/gpu_check_site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
exec "$PYTHON" -m tools.gpu.start "$@"
