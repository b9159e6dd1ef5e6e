//! `eval`: evaluates a trained head on a split of a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use mflag_cli::DeviceArgs;
use mflag_core::output::Output;
use mflag_head::{Head, Model};
use mflag_metrics::bootstrap::Bootstrap;
use mflag_store::{Split, Store};

use super::create_folder;

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Run folder, or its model.safetensors
    #[arg(short, long, value_name = "RUN")]
    model: PathBuf,
    /// Prepared store [default: the store of the training]
    #[arg(short, long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Split to evaluate
    #[arg(long, default_value = "test", value_parser = mflag_cli::named::<Split>())]
    split: Split,
    /// Bootstrap resamples of the patients, for the 95 % intervals
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    resamples: u32,
    #[command(flatten)]
    on: DeviceArgs,
    /// Folder for the results
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run<H: Head>(args: &EvalArgs, out: &mut Output) -> Result<ExitCode> {
    let model = Model::<H>::open_on(&args.model, args.on.into())?;
    let store = args
        .store
        .as_ref()
        .unwrap_or(&model.config.data.films.store);
    let store = Arc::new(Store::open(store)?);
    let bootstrap = Bootstrap {
        resamples: args.resamples as usize,
        ..Bootstrap::default()
    };
    store.verify()?;
    evaluate(&model, &store, args.split, bootstrap, &args.out, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Evaluates a model, prints the metrics, and writes metrics and predictions into `folder`.
pub(crate) fn evaluate<H: Head>(
    model: &Model<H>,
    store: &Arc<Store>,
    split: Split,
    bootstrap: Bootstrap,
    folder: &Path,
    out: &mut Output,
) -> Result<()> {
    create_folder(folder)?;
    let evaluation = model.evaluate(store, split, bootstrap, Some(folder))?;
    out.say("evaluation", &evaluation, evaluation.table());
    evaluation.write(folder)?;
    out.remark(format!("{}: {}\n", evaluation.sample(), folder.display()));
    Ok(())
}
