//! `mflag-segment`: trains, evaluates and applies a segmentation head.

use std::process::ExitCode;

use mflag_head_cli::Program;
use mflag_segment::Segmentation;

const PROGRAM: Program = Program {
    name: "mflag-segment",
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("MFLAG_COMMIT"),
    about: "Segment chest films: a U-Net decoder on a pre-trained film encoder",
    examples: "Examples:
  mflag-segment train --config configs/segmentation/siim.yaml \\
      --set encoder.weights=runs/paper/encoder.safetensors --run runs/siim
  mflag-segment train --config configs/segmentation/siim.yaml --set data.fraction=0.01 \\
      --run runs/siim-1
  mflag-segment train --resume --run runs/siim
  mflag-segment eval --model runs/siim --split validate --out runs/siim/validate
  mflag-segment predict --model runs/siim --out masks films/ other.dcm",
};

fn main() -> ExitCode {
    mflag_head_cli::main::<Segmentation>(&PROGRAM)
}
