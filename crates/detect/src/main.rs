//! `mflag-detect`: trains, evaluates and applies a detection head.

use std::process::ExitCode;

use mflag_detect::Detection;
use mflag_head_cli::Program;

const PROGRAM: Program = Program {
    name: "mflag-detect",
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("MFLAG_COMMIT"),
    about: "Find boxes on chest films: YOLOv3 heads on a pre-trained film encoder",
    examples: "Examples:
  mflag-detect train --config configs/detection/mgca-rsna.yaml \\
      --set encoder.weights=runs/paper/encoder.safetensors --run runs/rsna-boxes
  mflag-detect train --config configs/detection/mgca-rsna.yaml --set data.fraction=0.1 \\
      --run runs/rsna-boxes-10
  mflag-detect train --resume --run runs/rsna-boxes
  mflag-detect eval --model runs/rsna-boxes --split validate --out runs/rsna-boxes/validate
  mflag-detect predict --model runs/rsna-boxes --out boxes films/ other.dcm",
};

fn main() -> ExitCode {
    mflag_head_cli::main::<Detection>(&PROGRAM)
}
