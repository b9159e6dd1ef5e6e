#!/usr/bin/env bash
# Evaluates three heads on a folder of real films (scripts/real_films.py describes it), on three
# encoders: a random one, the demo's (pre-trained on phantoms), and one pre-trained on the folder's
# own pairs of films and reports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${CARGO_TARGET_DIR:-target}/release
films=${1:?"usage: ./just real-films FOLDER"}
run=runs/real-films

mkdir -p "$run"
[ -f runs/demo/run/encoder.safetensors ] || {
    echo "error: run \`./just demo\` first, because its encoder is one of the three" >&2
    exit 1
}
python3 scripts/real_films.py "$films" "$run/manifest.csv"
"$bin/mflag-data" prepare manifest --root "$run/manifest.csv" --name mimic-cxr --validate 0.15 --test 0.3 --side 144 --out "$run/heads"
"$bin/mflag-data" prepare mimic --root "$films/mimic-layout" --side 144 --out "$run/pairs"
"$bin/mflag-data" verify "$run/pairs" "$run/heads" || echo \
    "(heads and pairs share films; check above that no test patient is in a training split)"
"$bin/mflag-experiments" run configs/experiments/real-films.yaml
