//! `mflag-pretrain retrieve`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::builder::NonEmptyStringValueParser;
use mflag_core::output::Output;
use mflag_core::table::Table;
use mflag_pretrain::dual_encoder::{DualEncoder, nearest};
use mflag_store::{Split, Store};
use ndarray::{Array2, ArrayView1};
use serde::Serialize;

use super::SourceArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct RetrieveArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Find the films nearest to this sentence
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "film",
        conflicts_with = "film",
        value_parser = NonEmptyStringValueParser::new()
    )]
    text: Option<String>,
    /// Find the reports nearest to the film in this file
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Search only this split [default: all splits]
    #[arg(long, value_parser = mflag_cli::named::<Split>())]
    split: Option<Split>,
    /// Number of results
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    number: u16,
}

/// A film or report that was found.
#[derive(Debug, Serialize)]
struct Found {
    /// The cosine between the query and the film or report, from −1 to 1.
    cosine: f32,
    /// The film. For a report: the first film with this report.
    film: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
}

pub(crate) fn run(args: &RetrieveArgs, output: &mut Output) -> Result<()> {
    let store = Arc::new(Store::open(&args.source.store)?);
    let verification = store.verify_beside();
    let films = match args.split {
        Some(split) => store.split(split),
        None => (0..store.records().len()).collect(),
    };
    if films.is_empty() {
        let store = args.source.store.display();
        match args.split {
            Some(_) => bail!("{store} has no films in this split: choose another --split"),
            None => bail!("{store} has no films: prepare it again"),
        }
    }
    let model = DualEncoder::open(&args.source.run, args.source.device.into())?;
    verification.finish()?;
    let found = match (&args.text, &args.film) {
        (Some(text), _) => find_films(&model, &store, &films, text, args.number)?,
        (_, Some(film)) => find_reports(&model, &store, &films, film, args.number)?,
        // clap requires one of the two.
        (None, None) => Vec::new(),
    };
    output.say("found", &found, table(&found));
    Ok(())
}

fn find_films(
    model: &DualEncoder,
    store: &Arc<Store>,
    films: &[usize],
    text: &str,
    number: u16,
) -> Result<Vec<Found>> {
    let embeddings = model.embed_stored(store, films)?;
    let query = model.embed_texts(&[text.to_owned()])?;
    Ok(find(store, films, query.row(0), &embeddings, number))
}

fn find_reports(
    model: &DualEncoder,
    store: &Store,
    films: &[usize],
    film: &Path,
    number: u16,
) -> Result<Vec<Found>> {
    let query = model.embed_file(film)?;
    let mut seen = HashSet::new();
    // The first film of each distinct report.
    let (films, texts): (Vec<usize>, Vec<String>) = films
        .iter()
        .filter_map(|&film| Some((film, store.records()[film].text.clone()?)))
        .filter(|(_, text)| seen.insert(text.clone()))
        .unzip();
    if films.is_empty() {
        bail!("{} has no reports", store.folder().display());
    }
    let embeddings = model.embed_texts(&texts)?;
    Ok(find(store, &films, query.view(), &embeddings, number))
}

/// The `number` films whose `embeddings` are nearest to `query`.
fn find(
    store: &Store,
    films: &[usize],
    query: ArrayView1<'_, f32>,
    embeddings: &Array2<f32>,
    number: u16,
) -> Vec<Found> {
    let nearest = nearest(query, embeddings, number.into());
    let found = |(row, cosine): (usize, f32)| {
        let record = &store.records()[films[row]];
        Found {
            cosine,
            film: record.film.clone(),
            report: record.text.clone(),
        }
    };
    nearest.into_iter().map(found).collect()
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::new(&["cosine", "film", "report"]);
    for item in found {
        let report = item.report.clone().unwrap_or_default();
        table.row([format!("{:.3}", item.cosine), item.film.clone(), report]);
    }
    table
}
