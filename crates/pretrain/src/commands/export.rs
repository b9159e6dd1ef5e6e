//! `mflag-pretrain export`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mflag_core::output::Output;
use mflag_core::table::Table;
use mflag_core::{Error, Named, atomic};
use mflag_encoder::export::BatchNorms;
use mflag_pretrain::export::{CheckpointKind, ENCODER, Format, Source};

/// The model card in the folder of exported files.
const CARD: &str = "MODEL_CARD.md";

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Folder of the run that trained the encoder
    #[arg(short, long, value_name = "DIR", required_unless_present = "encoder")]
    run: Option<PathBuf>,
    /// Checkpoint of the run
    #[arg(
        long,
        default_value = "best",
        conflicts_with = "encoder",
        value_parser = mflag_cli::named::<CheckpointKind>()
    )]
    checkpoint: CheckpointKind,
    /// File encoder.safetensors, instead of a run
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    encoder: Option<PathBuf>,
    /// Format to write; may be repeated [default: all formats]
    #[arg(
        long = "format",
        value_name = "FORMAT",
        value_parser = mflag_cli::named::<Format>()
    )]
    formats: Vec<Format>,
    /// Fold each BatchNorm of the ONNX file into the convolution before it
    #[arg(long)]
    fold_batch_norm: bool,
    /// Folder for the files
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &ExportArgs, output: &mut Output) -> Result<()> {
    let out = &args.out;
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    let source = source(args)?;
    let mut table = Table::new(&["file", "MB"]);
    let formats = selected_formats(&args.formats);
    for &format in &formats {
        let path = out.join(format.file_name());
        let norms = if args.fold_batch_norm {
            BatchNorms::Folded
        } else {
            BatchNorms::Separate
        };
        format.write(&source.encoder, norms, &path)?;
        let size = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
        let megabytes = format!("{:.1}", size.len() as f64 / 1e6);
        table.row([path.display().to_string(), megabytes]);
    }
    let card = out.join(CARD);
    if card.exists() {
        tracing::warn!("{} exists and is not replaced", card.display());
    } else {
        let text = source.model_card(&formats);
        atomic::write(&card, |file| file.write_all(text.as_bytes()))?;
        table.row([card.display().to_string()]);
    }
    output.say("files", &table, &table);
    Ok(())
}

fn source(args: &ExportArgs) -> Result<Source> {
    match (&args.run, &args.encoder) {
        (Some(run), _) if is_same_folder(run, &args.out) => bail!(
            "--out {}: this is the run's own folder, whose {ENCODER} holds the best epoch; choose \
             another folder",
            args.out.display()
        ),
        (Some(run), _) => Ok(Source::from_run(run, args.checkpoint, &args.out)?),
        (None, encoder) => {
            // clap requires --run or --encoder.
            let encoder = encoder
                .as_deref()
                .context("--run or --encoder is required")?;
            Ok(Source::from_file(encoder)?)
        }
    }
}

/// The selected formats in a fixed order; all if none is selected.
fn selected_formats(selected: &[Format]) -> Vec<Format> {
    Format::ALL
        .iter()
        .filter(|format| selected.is_empty() || selected.contains(format))
        .copied()
        .collect()
}

fn is_same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
