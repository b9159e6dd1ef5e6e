set positional-arguments
set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
default:
    @'{{ just_executable() }}' --list --unsorted

# Install libtorch and the small BERT: `setup [cpu|cuda] [--deep]` (--deep checks every digest)
setup *ARGS:
    python3 scripts/setup.py "$@"

# Run the whole pipeline on synthetic films; results in runs/demo
demo: build
    scripts/demo.sh

# Run all tests
test: setup
    cargo test --workspace

# Run the tests of the crates that need no libtorch
test-light:
    cargo test -p mflag-input -p mflag-core -p mflag-film -p mflag-metrics -p mflag-store -p mflag-datasets -p mflag-phantom -p mflag-prepare -p mflag-report

# Build release binaries into target/release
build: setup
    cargo build --release

# Pre-train: `just pretrain train --config FILE --set KEY=VALUE`
pretrain *ARGS: setup
    cargo run --release -p mflag-pretrain -- "$@"

# Train, evaluate or apply a classification head: `just classify train --config FILE`
classify *ARGS: setup
    cargo run --release -p mflag-classify -- "$@"

# Train, evaluate or apply a segmentation head: `just segment train --config FILE`
segment *ARGS: setup
    cargo run --release -p mflag-segment -- "$@"

# Train, evaluate or apply a detection head: `just detect train --config FILE`
detect *ARGS: setup
    cargo run --release -p mflag-detect -- "$@"

# Run experiments and make their tables: `just experiments run configs/experiments/demo.yaml`
experiments *ARGS: build
    target/release/mflag-experiments "$@"

# Report on runs and experiments in one HTML file: `just report runs/paper --out report.html`
report *ARGS:
    cargo run --release -p mflag-report -- "$@"

# Make the paper's tables; configs/experiments/paper-*.yaml state what they cost and need
paper: paper-classification paper-segmentation paper-detection

# Make the paper's table of linear probes
paper-classification *ARGS: (experiments "run" "configs/experiments/paper-classification.yaml" ARGS)

# Make the paper's table of segmentation (Dice)
paper-segmentation *ARGS: (experiments "run" "configs/experiments/paper-segmentation.yaml" ARGS)

# Make the paper's table of detection (mean average precision)
paper-detection *ARGS: (experiments "run" "configs/experiments/paper-detection.yaml" ARGS)

# Make the demo's tables with three seeds (run `just demo` first)
phantom-tables *ARGS: (experiments "run" "configs/experiments/phantom-tables.yaml" ARGS)

# Compare variants of M-FLAG on phantoms (run `just demo` first)
ablations *ARGS: (experiments "run" "configs/experiments/ablations.yaml" ARGS)

# Evaluate three heads on a folder of real films (scripts/real_films.py describes it)
real-films FOLDER: build
    scripts/real-films.sh "$1"

# Prepare data: `just data prepare --help`
data *ARGS:
    cargo run --release -p mflag-prepare --bin mflag-data -- "$@"

# Run all benchmarks, or one: `just bench step --batch 16` (results: docs/benchmarks.md)
bench *ARGS: build
    benches/run "$@"

# Format the Rust code
fmt:
    cargo fmt --all

# Run clippy; warnings are errors
lint: setup
    cargo clippy --workspace --all-targets -- -D warnings

# Build the crates' documentation; warnings are errors
docs: setup
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace

# Run all checks of continuous integration
ci:
    .ci/run

# Rewrite the committed configuration schemas and docs/configuration.md
schema: setup
    cargo build -p mflag-pretrain -p mflag-classify -p mflag-segment -p mflag-detect \
        -p mflag-experiments
    scripts/schema.sh

# Feed mutated files to everything that reads files, for hours (`--minutes 60`)
fuzz *ARGS: setup
    cargo run --release -p mflag-fuzz -- "$@"

# Install the Python environment that makes the goldens (5 GB, in the cache folder)
oracle:
    scripts/oracle.sh
