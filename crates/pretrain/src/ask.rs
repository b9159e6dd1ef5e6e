//! The commands that ask a finished run: zero-shot and retrieval.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use mflag_cli::DeviceArgs;
use mflag_core::config;
use mflag_core::output::Output;
use mflag_core::table::Table;
use mflag_metrics::bootstrap::Bootstrap;
use mflag_pretrain::space::{Space, nearest};
use mflag_pretrain::zero_shot::{self, ZeroShotConfig};
use mflag_store::{Split, Store};
use ndarray::ArrayView1;
use serde::Serialize;

/// Which run is asked, about which films.
#[derive(Debug, Args)]
struct Of {
    /// Folder of a finished run
    #[arg(short, long, value_name = "DIR")]
    run: PathBuf,
    /// Prepared store
    #[arg(short, long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    on: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ZeroShot {
    #[command(flatten)]
    of: Of,
    /// Sentences for the findings (YAML)
    #[arg(short, long, value_name = "FILE")]
    prompts: PathBuf,
    /// Override one value of it, as often as needed: --set policy=ignore
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Which films
    #[arg(long, default_value = "test", value_parser = mflag_cli::named::<Split>())]
    split: Split,
    /// Resamples of the patients behind the 95 % intervals
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// Folder for the figures and scores
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

impl ZeroShot {
    pub(crate) fn run(&self, output: &mut Output) -> Result<()> {
        let prompts: ZeroShotConfig = config::load(Some(&self.prompts), &self.sets)?.config;
        let store = Arc::new(Store::open(&self.of.store)?);
        let space = Space::open(&self.of.run, self.of.on.into())?;
        let out = &self.out;
        std::fs::create_dir_all(out).map_err(|e| mflag_core::Error::io("create", out, e))?;
        let bootstrap = Bootstrap {
            resamples: self.resamples as usize,
            ..Bootstrap::default()
        };
        let evaluation = zero_shot::judge(&space, &prompts, &store, self.split, bootstrap, out)?;
        output.say("evaluation", &evaluation, evaluation.table());
        evaluation.write(out)?;
        output.remark(format!("{}: {}\n", evaluation.sample(), out.display()));
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Retrieve {
    #[command(flatten)]
    of: Of,
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
    /// Only films of this split; all when absent
    #[arg(long, value_parser = mflag_cli::named::<Split>())]
    split: Option<Split>,
    /// How many to show
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    number: u16,
}

/// A film or report that was found.
#[derive(Debug, Serialize)]
struct Found {
    /// From −1 to 1.
    cosine: f32,
    /// The film; of a report the first that it belongs to.
    film: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
}

impl Retrieve {
    pub(crate) fn run(&self, output: &mut Output) -> Result<()> {
        let store = Arc::new(Store::open(&self.of.store)?);
        let films = match self.split {
            Some(split) => store.split(split),
            None => (0..store.records().len()).collect(),
        };
        if films.is_empty() {
            bail!(
                "{} has no such films: choose another split",
                self.of.store.display()
            );
        }
        let space = Space::open(&self.of.run, self.of.on.into())?;
        let found = match (&self.text, &self.film) {
            (Some(text), _) => self.films(&space, &store, &films, text)?,
            (_, Some(film)) => self.reports(&store, &films, &space, film)?,
            (None, None) => Vec::new(),
        };
        let mut table = Table::new(&["cosine", "film", "report"]);
        for Found {
            cosine,
            film,
            report,
        } in &found
        {
            let report = report.clone().unwrap_or_default();
            table.row([format!("{cosine:.3}"), film.clone(), report]);
        }
        output.say("found", &found, table);
        Ok(())
    }

    fn films(
        &self,
        space: &Space,
        store: &Arc<Store>,
        films: &[usize],
        text: &str,
    ) -> Result<Vec<Found>> {
        let directions = space.stored(store, films)?;
        let query = space.texts(&[text.to_owned()])?;
        Ok(self.found(store, films, query.row(0), &directions))
    }

    fn reports(
        &self,
        store: &Store,
        films: &[usize],
        space: &Space,
        film: &std::path::Path,
    ) -> Result<Vec<Found>> {
        let query = space.file(film)?;
        let mut seen = std::collections::HashSet::new();
        let first = |film: &&usize| {
            let text = &store.records()[**film].text;
            text.as_ref().is_some_and(|text| seen.insert(text.as_str()))
        };
        let films: Vec<usize> = films.iter().filter(first).copied().collect();
        if films.is_empty() {
            bail!("{} has no reports", self.of.store.display());
        }
        let texts: Vec<String> = films
            .iter()
            .filter_map(|&f| store.records()[f].text.clone())
            .collect();
        let directions = space.texts(&texts)?;
        Ok(self.found(store, &films, query.view(), &directions))
    }

    fn found(
        &self,
        store: &Store,
        films: &[usize],
        query: ArrayView1<'_, f32>,
        directions: &ndarray::Array2<f32>,
    ) -> Vec<Found> {
        let found = nearest(query, directions, self.number.into());
        let told = |(place, cosine): (usize, f32)| {
            let record = &store.records()[films[place]];
            Found {
                cosine,
                film: record.film.clone(),
                report: record.text.clone(),
            }
        };
        found.into_iter().map(told).collect()
    }
}
