#!/usr/bin/env bash
# Runs the whole pipeline on synthetic films, with the release binaries: phantoms, preparation, text
# cache, pre-training, three heads, tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${CARGO_TARGET_DIR:-target}/release
run=runs/demo

step() {
    echo
    echo "== $1"
    shift
    "$@"
}

rm -rf "$run"
mkdir -p "$run"
step "Synthetic films with reports, in the layout of MIMIC-CXR-JPG" \
    "$bin/mflag-data" phantom --films 2000 --side 320 --validate 0.15 --test 0.0 --out "$run/phantoms"
step "Preparing the films as squares, once" \
    "$bin/mflag-data" prepare mimic --side 128 --root "$run/phantoms" --out "$run/store"
step "Content of the store" \
    "$bin/mflag-data" inspect --store "$run/store" --sheet "$run/films.png"
step "Encoding the reports with the frozen language model, once" \
    "$bin/mflag-pretrain" encode-text --config configs/pretrain/demo.yaml
step "Pre-training (the first column of the table is the untrained encoder)" \
    "$bin/mflag-pretrain" train --config configs/pretrain/demo.yaml --run "$run/run"
step "Synthetic films of other patients, with labels, boxes and masks" \
    "$bin/mflag-data" phantom --as manifest --films 600 --side 192 --test 0.25 --out "$run/labelled"
step "Preparing these films as squares" \
    "$bin/mflag-data" prepare manifest --side 128 --root "$run/labelled" --out "$run/heads"
step "Checking that no patient is in two splits, or in the pre-training and in a test split" \
    "$bin/mflag-data" verify "$run/store" "$run/heads"
step "Three heads with 1, 10 and 100 % of the labels, on a random and on the pre-trained encoder" \
    "$bin/mflag-experiments" run configs/experiments/demo.yaml
