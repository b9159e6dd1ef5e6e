//! `mflag-pretrain zero-shot`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use mflag_core::config;
use mflag_core::output::Output;
use mflag_metrics::bootstrap::Bootstrap;
use mflag_pretrain::dual_encoder::DualEncoder;
use mflag_pretrain::zero_shot::{ZeroShotConfig, evaluate};
use mflag_store::{Split, Store};

use super::SourceArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct ZeroShotArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Sentences for the findings (YAML)
    #[arg(short, long, value_name = "FILE")]
    prompts: PathBuf,
    /// Override one value of the prompts file; may be repeated: --set policy=ignore
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Split to evaluate on
    #[arg(long, default_value = "test", value_parser = mflag_cli::named::<Split>())]
    split: Split,
    /// Bootstrap resamples of the patients for the 95 % intervals
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    resamples: u32,
    /// Folder for the metrics and scores
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &ZeroShotArgs, output: &mut Output) -> Result<()> {
    let prompts: ZeroShotConfig = config::load(Some(&args.prompts), &args.sets)?.config;
    let store = Arc::new(Store::open(&args.source.store)?);
    let verification = store.verify_beside();
    let model = DualEncoder::open(&args.source.run, args.source.device.into())?;
    verification.finish()?;
    let out = &args.out;
    std::fs::create_dir_all(out).map_err(|e| mflag_core::Error::io("create", out, e))?;
    let bootstrap = Bootstrap {
        resamples: args.resamples as usize,
        ..Bootstrap::default()
    };
    let evaluation = evaluate(&model, &prompts, &store, args.split, bootstrap, out)?;
    output.say("evaluation", &evaluation, evaluation.table());
    evaluation.write(out)?;
    output.remark(format!("{}: {}\n", evaluation.sample(), out.display()));
    Ok(())
}
