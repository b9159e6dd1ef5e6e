set positional-arguments
set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes
default:
    @'{{ just_executable() }}' --list --unsorted

# Install libtorch and the small BERT into the cache folder: `setup`, `setup cuda`, `setup cpu`, `setup --deep` (checks every digest)
setup *ARGS:
    python3 scripts/setup.py "$@"

# The main job on synthetic films, from nothing to a table of results in runs/demo
demo: build
    scripts/demo.sh

# All tests
test: setup
    cargo test --workspace

# The tests of the crates that need no libtorch
test-light:
    cargo test -p mflag-core -p mflag-film -p mflag-metrics -p mflag-data -p mflag-report

# Release binaries into target/release
build: setup
    cargo build --release --workspace

# Pre-train: `just pretrain train --config FILE --set KEY=VALUE`
pretrain *ARGS: setup
    cargo run --release -p mflag-pretrain -- "$@"

# Train, judge or apply a classification head: `just classify train --config FILE --set KEY=VALUE`
classify *ARGS: setup
    cargo run --release -p mflag-classify -- "$@"

# Train, judge or apply a segmentation head: `just segment train --config FILE --set KEY=VALUE`
segment *ARGS: setup
    cargo run --release -p mflag-segment -- "$@"

# Train, judge or apply a detection head: `just detect train --config FILE --set KEY=VALUE`
detect *ARGS: setup
    cargo run --release -p mflag-detect -- "$@"

# Experiments and their tables: `just experiments run configs/experiments/demo.yaml`
experiments *ARGS: build
    target/release/mflag-experiments "$@"

# Runs and experiments as one HTML file: `just report runs/paper --out report.html`
report *ARGS:
    cargo run --release -p mflag-report -- "$@"

# The paper's tables, each said first what it costs; needs the data sets (configs/experiments/paper-*.yaml)
paper: paper-classification paper-segmentation paper-detection

# Linear probes
paper-classification *ARGS: (experiments "run" "configs/experiments/paper-classification.yaml" ARGS)

# Dice of masks
paper-segmentation *ARGS: (experiments "run" "configs/experiments/paper-segmentation.yaml" ARGS)

# Average precision of boxes
paper-detection *ARGS: (experiments "run" "configs/experiments/paper-detection.yaml" ARGS)

# The demo's tables with three seeds (run `just demo` first)
phantom-tables *ARGS: (experiments "run" "configs/experiments/phantom-tables.yaml" ARGS)

# Forms of the orthogonality loss, compared on phantoms (run `just demo` first)
ablations *ARGS: (experiments "run" "configs/experiments/ablations.yaml" ARGS)

# Three heads on a folder of real films (scripts/real_films.py says which): `just real-films FOLDER`
real-films FOLDER: build
    scripts/real-films.sh "$1"

# Prepare data: `just data prepare --help`
data *ARGS:
    cargo run --release -p mflag-data -- "$@"

# Benchmarks, all or one of benches/: `just bench step --batch 16`; docs/benchmarks.md has results
bench *ARGS: build
    benches/run "$@"

# Format the Rust code
fmt:
    cargo fmt --all

# Clippy, warnings refused
lint: setup
    cargo clippy --workspace --all-targets -- -D warnings

# The crates' documentation, warnings refused
docs: setup
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace

# All that continuous integration checks
ci:
    .ci/run

# Write the committed configuration schemas again
schema: setup
    cargo build -p mflag-pretrain -p mflag-classify -p mflag-segment -p mflag-detect -p mflag-experiments
    scripts/schema.sh

# The Python environment that makes the goldens (5 GB, in the cache folder)
oracle:
    scripts/oracle.sh
