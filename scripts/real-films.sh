#!/usr/bin/env bash
# Three heads on a folder of real films (scripts/real_films.py says which), on a random encoder, one pre-trained on phantoms by the demo, and one
# pre-trained on the films' own pairs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${CARGO_TARGET_DIR:-target}/release
films=${1:?"usage: just real-films FOLDER"}
run=runs/real-films

mkdir -p "$run"
[ -f runs/demo/run/encoder.safetensors ] || { echo "error: run \`just demo\` first: its encoder is compared" >&2; exit 1; }
python3 scripts/real_films.py "$films" "$run/manifest.csv"
"$bin/mflag-data" prepare --dataset manifest --root "$run/manifest.csv" --name mimic-cxr --validate 0.15 --test 0.3 --side 144 --out "$run/heads"
"$bin/mflag-data" prepare --dataset mimic --root "$films/mimic-layout" --side 144 --out "$run/pairs"
"$bin/mflag-data" verify "$run/pairs" "$run/heads" || echo "(the heads' films are the pairs' films: see above whether a test patient is among those trained on)"
"$bin/mflag-experiments" run configs/experiments/real-films.yaml
