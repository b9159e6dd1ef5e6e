//! `mflag-classify`: trains, evaluates and applies a classification head.

use std::process::ExitCode;

use mflag_classify::Classification;
use mflag_head_cli::Program;

const PROGRAM: Program = Program {
    name: "mflag-classify",
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("MFLAG_COMMIT"),
    about: "Classify chest films: a linear layer on a pre-trained film encoder",
    examples: "Examples:
  mflag-classify train --config configs/classification/mgca-chexpert.yaml \\
      --set encoder.weights=runs/paper/encoder.safetensors --run runs/chexpert
  mflag-classify train --config configs/classification/mgca-chexpert.yaml \\
      --set data.fraction=0.01 --run runs/chexpert-1
  mflag-classify train --resume --run runs/chexpert
  mflag-classify eval --model runs/chexpert --split validate --out runs/chexpert/validate
  mflag-classify predict --model runs/chexpert --out findings films/ other.dcm",
};

fn main() -> ExitCode {
    mflag_head_cli::main::<Classification>(&PROGRAM)
}
