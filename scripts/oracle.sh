#!/usr/bin/env bash
# Installs the Python environment that makes the goldens into the cache folder, if it is not there
# yet, and prints the path of its interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${MFLAG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mflag}/oracle

if ! cmp --silent scripts/wheels/oracle.txt "$venv/installed.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --disable-pip-version-check --requirement scripts/wheels/oracle.txt
    cp scripts/wheels/oracle.txt "$venv/installed.txt"
fi
echo "$venv/bin/python"
