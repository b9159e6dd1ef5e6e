//! `mflag-pretrain encode-text`.

use std::time::Instant;

use anyhow::Result;
use mflag_cli::ConfigArgs;
use mflag_core::output::Output;
use mflag_core::table::Table;
use mflag_pretrain::config::PretrainConfig;
use mflag_pretrain::pairs::{PairIndices, encode_texts};
use mflag_store::Store;
use mflag_train::setup;

#[derive(Debug, clap::Args)]
pub(crate) struct EncodeTextArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn run(args: &EncodeTextArgs, out: &mut Output) -> Result<()> {
    let config: PretrainConfig = args.config.load()?.config;
    let device = setup(&config.train)?;
    let store = Store::open(&config.data.films.store)?;
    let pairs = PairIndices::select(&store, &config.data, config.train.batch_size)?;
    let texts = pairs.texts(&store);
    let begin = Instant::now();
    let encoder = config.text.encoder(device)?;
    let (cache, filled) = encode_texts(&encoder, &config.text.cache, &texts)?;
    let mut table = Table::new(&[
        "reports",
        "distinct",
        "encoded now",
        "in the cache",
        "cut at max_tokens",
        "seconds",
    ]);
    let counts = [
        texts.len(),
        filled.distinct,
        filled.encoded,
        cache.len(),
        cache.count_cut(&texts).cut,
    ];
    let seconds = format!("{:.1}", begin.elapsed().as_secs_f64());
    table.row(counts.iter().map(ToString::to_string).chain([seconds]));
    out.say("texts", &table, &table);
    Ok(())
}
