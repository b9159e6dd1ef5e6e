#!/usr/bin/env bash
# Checks mflag on a GPU in a few minutes, on synthetic films: the tests of the training loop, ten
# steps on the GPU against ten on the CPU, half precisions, films a second, and predictions.
#
#   scripts/gpu_check.sh [DEVICE [FOLDER]]
#
# DEVICE is cuda (default), cuda:1, …, or cpu, which only tries the script itself. FOLDER takes the
# runs (default: runs/gpu-check). Set LIBTORCH to use another libtorch than that of `./just setup cuda`.
# Prints a line for each check, and exits with code 1 if one has failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
device=${1:-cuda}
folder=${2:-runs/gpu-check}
bin=${CARGO_TARGET_DIR:-target}/release
failed=0

report() { printf '%-12s %s\n' "$1" "$2"; }

# Runs a check that is named by its first argument. What it prints goes into a log.
check() {
    local name=$1 begin=$SECONDS
    shift
    if "$@" >"$folder/$name.log" 2>&1; then
        report ok "$name ($((SECONDS - begin)) s)"
    else
        report FAILED "$name: $folder/$name.log"
        failed=1
    fi
}

# Trains for ten steps: pretrain NAME DEVICE PRECISION.
pretrain() {
    rm -rf "${folder:?}/$1"
    "$bin/mflag-pretrain" train --quiet --config configs/pretrain/demo.yaml --run "$folder/$1" \
        --set "data.store=$folder/store" --set "text.cache=$folder/text-cache" --set data.max_validation=32 \
        --set encoder.arch=resnet50 --set train.batch_size=32 --set train.log_every=1 \
        --set train.stop_after_steps=10 --set train.tf32=false --set train.deterministic=true \
        --set "train.device=$2" --set "train.precision=$3"
}

# Whether the losses of two runs are equal, step by step: equal_losses RUN OTHER TOLERANCE.
equal_losses() {
    python3 - "$folder/$1" "$folder/$2" "$3" <<'EOF'
import json, math, sys

losses = [[json.loads(line)["loss"] for line in open(f"{run}/metrics.jsonl") if '"kind":"train"' in line] for run in sys.argv[1:3]]
worst = max(abs(a - b) / max(abs(a), 1e-6) for a, b in zip(*losses))
print(f"{len(losses[0])} and {len(losses[1])} steps, largest relative difference {worst:.2e}")
sys.exit(len(losses[0]) != 10 or len(losses[1]) != 10 or not all(map(math.isfinite, losses[0] + losses[1])) or worst > float(sys.argv[3]))
EOF
}

# Films a second of the last steps of a run.
rate() {
    python3 - "$folder/$1" <<'EOF'
import json, statistics, sys

rates = [json.loads(line)["samples_per_second"] for line in open(f"{sys.argv[1]}/metrics.jsonl") if '"kind":"train"' in line]
print(f"{statistics.median(rates[3:]):.0f}")
EOF
}

predict() {
    "$bin/mflag-classify" predict --device "$1" --model "$folder/head" --out "$folder/predicted-$1" "$folder/labelled/films"
}

equal_predictions() {
    python3 - "$folder/predicted-cpu/predictions.csv" "$folder/predicted-$device/predictions.csv" <<'EOF'
import csv, sys

def numbers(cell):
    try:
        return float(cell)
    except ValueError:
        return None

rows = [list(csv.reader(open(file))) for file in sys.argv[1:]]
pairs = [(numbers(a), numbers(b)) for one, two in zip(*rows) for a, b in zip(one, two)]
worst = max(abs(a - b) for a, b in pairs if a is not None and b is not None)
print(f"{len(rows[0]) - 1} films, largest difference of a score {worst:.2e}")
sys.exit(len(rows[0]) != len(rows[1]) or worst > 0.02)
EOF
}

mkdir -p "$folder"
for made in phantoms store labelled heads cpu gpu bf16 fp16 head predicted-cpu "predicted-$device"; do
    rm -rf "${folder:?}/$made"
done
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || report note "nvidia-smi finds no GPU"
check build cargo build --release
check phantoms "$bin/mflag-data" phantom --films 400 --side 288 --validate 0.1 --test 0.0 --out "$folder/phantoms"
check store "$bin/mflag-data" prepare mimic --side 256 --root "$folder/phantoms" --out "$folder/store"
check labelled "$bin/mflag-data" phantom --as manifest --films 80 --side 192 --out "$folder/labelled"
check heads "$bin/mflag-data" prepare manifest --side 128 --root "$folder/labelled" --out "$folder/heads"

check cpu-fp32 pretrain cpu cpu fp32
check gpu-fp32 pretrain gpu "$device" fp32
check equal-fp32 equal_losses cpu gpu 1e-3
# A CPU without units for half precision would take minutes.
if [ "$device" != cpu ]; then
    check gpu-bf16 pretrain bf16 "$device" bf16
    check equal-bf16 equal_losses cpu bf16 0.05
    check gpu-fp16 pretrain fp16 "$device" fp16
    check equal-fp16 equal_losses cpu fp16 0.05
fi
for run in gpu bf16 fp16; do
    [ -e "$folder/$run/metrics.jsonl" ] && report note "$run: $(rate "$run") films/s (ResNet-50, 112 px, batch 32, deterministic)"
done

check head "$bin/mflag-classify" train --quiet --config configs/classification/findings.yaml --run "$folder/head" \
    --set "data.store=$folder/heads" --set data.side=128 --set train.epochs=2 --set "train.device=$device"
check predict-cpu predict cpu
[ "$device" = cpu ] || check predict-gpu predict "$device"
check equal-predictions equal_predictions
check tests cargo test --release -p mflag-train
report note "several processes on GPUs: NCCL is not built in"
exit "$failed"
