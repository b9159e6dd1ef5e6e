//! `mflag-pretrain export`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mflag_core::run::RunFolder;
use mflag_core::table::Table;
use mflag_core::{atomic, config};
use mflag_encoder::export::{BatchNorms, write_onnx, write_torchscript};
use mflag_encoder::{FilmEncoder, Preprocess};
use mflag_store::Store;
use tch::Device;

use super::card::{Card, Training};
use super::{ENCODER, Kept, export_encoder};
use crate::config::PretrainConfig;
use crate::error::{Error, Result};
use crate::pairs::Chosen;

/// The model card in the folder of exported files.
const CARD: &str = "MODEL_CARD.md";

/// What to export, from where and to where.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// Folder of the run that made the encoder
    #[arg(short, long, value_name = "DIR", required_unless_present = "encoder")]
    run: Option<PathBuf>,
    /// Which of the run's checkpoints
    #[arg(long, value_enum, default_value_t = Kept::Best, conflicts_with = "encoder")]
    checkpoint: Kept,
    /// An encoder.safetensors, in place of a run
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    encoder: Option<PathBuf>,
    /// What to write, as often as needed; all when absent
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    formats: Vec<Format>,
    /// Fold each BatchNorm of the ONNX file into the convolution before it
    #[arg(long)]
    fold_batch_norm: bool,
    /// Folder for the files
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

/// A file format of encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Weights by torchvision's names: PyTorch, mflag
    Safetensors,
    /// A program for libtorch and torch.jit
    Torchscript,
    /// A graph for ONNX Runtime and others
    Onnx,
}

impl Format {
    /// Name of the file.
    fn file(self) -> &'static str {
        match self {
            Format::Safetensors => ENCODER,
            Format::Torchscript => "encoder.torchscript.pt",
            Format::Onnx => "encoder.onnx",
        }
    }

    /// What reads the file, for the model card.
    fn reader(self) -> &'static str {
        match self {
            Format::Safetensors => {
                "weights: `safetensors.torch.load_file` for torchvision's model without `fc`, or mflag"
            }
            Format::Torchscript => "`torch.jit.load`, or libtorch",
            Format::Onnx => "ONNX Runtime and others (operator set 17)",
        }
    }
}

impl ExportArgs {
    /// Writes the files and a model card into the folder; gives a table of them.
    ///
    /// # Errors
    /// If the run or the encoder cannot be read, the folder is the run's own, or a file cannot be written.
    pub fn run(&self) -> Result<Table> {
        let out = &self.out;
        std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
        // Where other formats are wanted alone, the encoder's own file does not stay.
        let temporary = tempfile::tempdir_in(out).map_err(|e| Error::io("write", out, e))?;
        let (encoder, training) = self.source(temporary.path())?;

        let mut table = Table::new(&["file", "MB"]);
        let formats = self.formats();
        for &format in &formats {
            let path = out.join(format.file());
            self.write(format, &encoder, &path)?;
            let size = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
            let megabytes = format!("{:.1}", size.len() as f64 / 1e6);
            table.row([path.display().to_string(), megabytes]);
        }
        let card = out.join(CARD);
        if card.exists() {
            tracing::warn!("{} is there and stays as it is", card.display());
        } else {
            let files = formats.iter().map(|f| (f.file(), f.reader())).collect();
            let text = Card {
                encoder: &encoder,
                training: training.as_ref(),
                files,
            }
            .text()?;
            atomic::write(&card, |file| file.write_all(text.as_bytes()))?;
            table.row([card.display().to_string()]);
        }
        Ok(table)
    }

    fn formats(&self) -> Vec<Format> {
        let asked = |format: &&Format| self.formats.is_empty() || self.formats.contains(format);
        Format::value_variants()
            .iter()
            .filter(asked)
            .copied()
            .collect()
    }

    fn write(&self, format: Format, encoder: &FilmEncoder, path: &Path) -> Result<()> {
        let norms = if self.fold_batch_norm {
            BatchNorms::Folded
        } else {
            BatchNorms::Separate
        };
        match format {
            Format::Safetensors => encoder.write(path)?,
            Format::Torchscript => write_torchscript(path, encoder)?,
            Format::Onnx => write_onnx(path, encoder, norms)?,
        }
        Ok(())
    }

    /// The encoder to export, and its training if it comes from a run.
    fn source(&self, temporary: &Path) -> Result<(FilmEncoder, Option<Training>)> {
        let Some(run) = &self.run else {
            let file = self.encoder.as_deref().unwrap_or(Path::new(ENCODER));
            return Ok((FilmEncoder::open(file, Device::Cpu)?, None));
        };
        let (run, config) = RunFolder::open::<PretrainConfig>(run)?;
        if same_folder(run.path(), &self.out) {
            return Err(Error::Data(format!(
                "--out {}: this is the run's own folder, whose {ENCODER} is that of the best epoch; name another one",
                self.out.display()
            )));
        }
        let file = temporary.join(ENCODER);
        let counters = export_encoder(
            &run,
            self.checkpoint,
            &config,
            preprocess(&run, &config)?,
            &file,
        )?;
        let training = Training {
            data: describe_data(&run, &config),
            configuration: config::to_yaml(&config)?,
            counters,
        };
        Ok((FilmEncoder::open(&file, Device::Cpu)?, Some(training)))
    }
}

/// What films of the run go through: as its own encoder says or, in a run that was killed before it wrote one, its store.
fn preprocess(run: &RunFolder, config: &PretrainConfig) -> Result<Preprocess> {
    let encoder = run.file(ENCODER);
    if encoder.exists() {
        return Ok(FilmEncoder::open(&encoder, Device::Cpu)?.preprocess());
    }
    let store = Store::open(&config.data.store)?;
    run.same_digest("store", &store.digest()?)?;
    Ok(Preprocess::new(store.squaring(), config.data.side))
}

/// Data set and counts of the run's store; none if it is no longer there as it was.
fn describe_data(run: &RunFolder, config: &PretrainConfig) -> Option<String> {
    let store = Store::open(&config.data.store).ok()?;
    run.same_digest("store", &store.digest().ok()?).ok()?;
    let chosen = Chosen::of(&store, &config.data, config.train.batch_size).ok()?;
    Some(format!(
        "Data set `{}`: {} films prepared; {} pairs of film and report trained on, {} kept for validation.",
        store.meta().dataset,
        store.meta().films,
        chosen.train.len(),
        chosen.validation.len()
    ))
}

fn same_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
