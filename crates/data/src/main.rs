//! `mflag-data`: phantoms, preparation, inspection.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use mflag_core::cli::{Common, run_main};
use mflag_core::progress::clock;
use mflag_core::table::Table;
use mflag_data::datasets::{self, Layout};
use mflag_data::store::Store;
use mflag_data::{Split, inspect, phantom, prepare, split};
use mflag_film::Fit;

/// Prepare chest-film data sets, make phantoms, look at stores
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-data phantom --out data/phantoms --films 1000
  mflag-data prepare --dataset mimic --root data/phantoms --out data/phantoms-store
  mflag-data prepare --dataset mimic --root /data/mimic-cxr-jpg --reports /data/mimic-cxr-reports --out data/mimic-256
  mflag-data prepare --dataset siim --root /data/siim-acr --out data/siim-256
  mflag-data verify data/mimic-256 data/siim-256
  mflag-data inspect --store data/mimic-256 --sheet sheet.png";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write synthetic chest films with findings and reports in MIMIC-CXR-JPG layout
    Phantom(PhantomArgs),
    /// Read a data set and write its films as squares of one size; an interrupted preparation goes on
    Prepare(PrepareArgs),
    /// Prove that no patient and no film is in two splits, within and across stores
    Verify(VerifyArgs),
    /// Count what a store holds, check its digests, draw a contact sheet
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
struct PhantomArgs {
    /// Folder to write into
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Frontal films
    #[arg(long, default_value_t = phantom::Options::default().films)]
    films: usize,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest side of a film in pixels
    #[arg(long, default_value_t = phantom::Options::default().side)]
    side: u32,
    /// Part of the patients for validation
    #[arg(long, default_value_t = phantom::Options::default().validate)]
    validate: f64,
    /// Part of the patients for testing
    #[arg(long, default_value_t = phantom::Options::default().test)]
    test: f64,
}

#[derive(Debug, Args)]
struct PrepareArgs {
    /// Layout of the data set
    #[arg(short, long, value_enum)]
    dataset: Layout,
    /// Folder of the data set, as downloaded
    #[arg(short, long, value_name = "DIR")]
    root: PathBuf,
    #[command(flatten)]
    options: datasets::Options,
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Side of the squares in pixels
    #[arg(long, default_value_t = prepare::Options::default().side, value_parser = clap::value_parser!(u32).range(16..=4096))]
    side: u32,
    /// How films that are not square become so
    #[arg(long, value_enum, default_value_t)]
    fit: FitName,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FitName {
    /// Black bars beside the shorter side
    #[default]
    Pad,
    /// What is beyond the middle square is cut off
    Crop,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Folders of stores
    #[arg(required = true, value_name = "DIR")]
    stores: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    store: PathBuf,
    /// Draw the first films into this PNG
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    run_main(|| {
        match cli.command {
            Command::Phantom(args) => write_phantom(&args),
            Command::Prepare(args) => prepare_store(&args),
            Command::Verify(args) => verify(&args),
            Command::Inspect(args) => inspect_store(&args),
        }
        .map(|()| ExitCode::SUCCESS)
    })
}

fn write_phantom(args: &PhantomArgs) -> Result<()> {
    let PhantomArgs {
        films,
        seed,
        side,
        validate,
        test,
        ..
    } = *args;
    let options = phantom::Options {
        films,
        seed,
        side,
        validate,
        test,
    };
    let summary = phantom::write_mimic(&args.out, &options)?;
    let mut table = Table::new(&["phantom", "films"]);
    for (split, films) in Split::ALL.iter().zip(summary.splits) {
        table.row([split.name().to_owned(), films.to_string()]);
    }
    for (kind, films) in &summary.kinds {
        table.row([format!("with {kind:?}").to_lowercase(), films.to_string()]);
    }
    table.row(["without finding".to_owned(), summary.normal.to_string()]);
    print!("{table}");
    println!(
        "{} patients, {} lateral films: {}",
        summary.patients,
        summary.laterals,
        args.out.display()
    );
    Ok(())
}

fn prepare_store(args: &PrepareArgs) -> Result<()> {
    let begin = Instant::now();
    let dataset = datasets::read(args.dataset, &args.root, &args.options)?;
    let fit = match args.fit {
        FitName::Pad => Fit::Pad,
        FitName::Crop => Fit::Crop,
    };
    let options = prepare::Options {
        side: args.side,
        fit,
        ..prepare::Options::default()
    };
    let store = prepare::prepare(&dataset, &args.out, &options)?;

    let mut table = Table::new(&["films", "number"]);
    table.row(["kept".to_owned(), store.records().len().to_string()]);
    table.row([
        "could not be decoded".to_owned(),
        store.meta().bad.to_string(),
    ]);
    for (reason, films) in &dataset.dropped {
        table.row([reason.clone(), films.to_string()]);
    }
    print!("{table}");
    let time = clock(begin.elapsed().as_secs());
    println!("{} px, {time}: {}", store.side(), args.out.display());
    if store.meta().bad > 0 {
        println!(
            "films that could not be decoded: {}",
            args.out.join("bad.csv").display()
        );
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> Result<()> {
    let stores: mflag_data::Result<Vec<Store>> =
        args.stores.iter().map(|s| Store::open(s)).collect();
    let stores = stores?;
    let verified = split::verify_stores(&stores.iter().collect::<Vec<_>>())?;
    println!("{verified}");
    Ok(())
}

fn inspect_store(args: &InspectArgs) -> Result<()> {
    let store = Store::open(&args.store)?;
    store.verify()?;
    print!("{}", inspect::counts(&store));
    println!("{}", inspect::text_lengths(&store));
    println!(
        "all {} shards have their digests",
        store.meta().shards.len()
    );
    if let Some(sheet) = &args.sheet {
        inspect::contact_sheet(&store, sheet)?;
        println!("contact sheet: {}", sheet.display());
    }
    Ok(())
}
