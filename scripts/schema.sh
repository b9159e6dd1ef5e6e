#!/usr/bin/env bash
# Writes the JSON schema of each program's configuration into its folder of configurations, and
# docs/configuration.md from the schemas.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${CARGO_TARGET_DIR:-target}/debug

for pair in mflag-pretrain:pretrain mflag-classify:classification mflag-segment:segmentation \
    mflag-detect:detection mflag-experiments:experiments; do
    file=configs/${pair#*:}/schema.json
    "$bin/${pair%:*}" schema >"$file.new"
    mv "$file.new" "$file"
done
python3 scripts/configuration.py
