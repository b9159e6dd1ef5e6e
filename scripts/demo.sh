#!/usr/bin/env bash
# The main job on synthetic films, with the release binaries: phantoms, preparation, text cache, pre-training, table.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${CARGO_TARGET_DIR:-target}/release
run=runs/demo

rm -rf "$run"
mkdir -p "$run"
set -x
"$bin/mflag-data" phantom --out "$run/phantoms"
"$bin/mflag-data" prepare --dataset mimic --root "$run/phantoms" --out "$run/store"
"$bin/mflag-pretrain" encode-text --config configs/pretrain/demo.yaml
"$bin/mflag-pretrain" train --config configs/pretrain/demo.yaml
