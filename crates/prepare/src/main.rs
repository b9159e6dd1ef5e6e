//! `mflag-data`: phantoms, preparation, inspection.

use mflag_core::Named;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use mflag_cli::{Common, Completions, OutputArgs, after_help};
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::table::Table;

use mflag_datasets::by_name::{self, Layout};
use mflag_prepare::inspect::{self, Sheet};
use mflag_prepare::prepare;
use mflag_prepare::verify::{self, Same};
use mflag_store::Store;

use mflag_film::{Depth, Fit, Squaring, Window};

/// Prepare chest-film data sets, make phantoms, look at stores
#[derive(Debug, Parser)]
#[command(version, after_help = after_help(EXAMPLES))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-data phantom --out data/phantoms --films 1000
  mflag-data phantom --as siim --out data/phantoms-siim --films 200
  mflag-data prepare --dataset mimic --root data/phantoms --out data/phantoms-store
  mflag-data prepare --dataset mimic --root /data/mimic-cxr-jpg --reports /data/mimic-cxr-reports --out data/mimic-256
  mflag-data prepare --dataset siim --root /data/siim-acr --out data/siim-256
  mflag-data prepare --dataset siim --root /data/siim-acr --split mgca --balance --out data/siim-mgca-256
  mflag-data verify data/mimic-256 data/siim-256
  mflag-data inspect --store data/mimic-256 --sheet sheet.png --label Pneumothorax";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write synthetic chest films with findings of known place, laid out as a data set (default: MIMIC-CXR-JPG with reports)
    Phantom(PhantomArgs),
    /// Read a data set and write its films as squares of one size; an interrupted preparation goes on
    Prepare(PrepareArgs),
    /// Prove that no patient and no film is in two splits, within and across stores
    Verify(VerifyArgs),
    /// Count what a store holds, check its digests, draw a contact sheet
    Inspect(InspectArgs),
    #[command(flatten)]
    Completions(Completions),
}

#[derive(Debug, Args)]
struct PhantomArgs {
    /// Layout of the data set that they stand for
    #[arg(long = "as", value_name = "LAYOUT", default_value_t = mflag_phantom::DEFAULT_LAYOUT)]
    #[arg(value_parser = mflag_cli::named::<&'static dyn mflag_phantom::Layout>())]
    layout: &'static dyn mflag_phantom::Layout,
    /// Folder to write into
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Frontal films
    #[arg(long, default_value_t = mflag_phantom::Options::new(mflag_phantom::DEFAULT_LAYOUT).films)]
    films: usize,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest side of a film in pixels [default: 512 (mimic), 390 (chexpert), 1024 (all others; nih, rsna and siim have no other)]
    #[arg(long)]
    side: Option<u32>,
    /// Part of the patients for validation (mimic, and object-cxr's dev) [default: 0.1]
    #[arg(long)]
    validate: Option<f64>,
    /// Part of the patients for testing (all but rsna and siim; chexpert's valid.csv) [default: 0.1]
    #[arg(long)]
    test: Option<f64>,
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
    options: by_name::Options,
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Side of the squares in pixels
    #[arg(long, default_value_t = prepare::Options::default().squaring.side, value_parser = clap::value_parser!(u32).range(16..=4096))]
    side: u32,
    /// How films that are not square become so
    #[arg(long, value_enum, default_value_t)]
    fit: FitName,
    /// What becomes black and white: `voi`, as a DICOM file asks for, else `full-range`; or `percentile:LOW,HIGH`
    #[arg(long, default_value_t)]
    window: Window,
    /// Bits of a pixel, 8 or 16; films with more than 8 bits keep them in 16
    #[arg(long, default_value = "8", value_name = "BITS", value_parser = depth)]
    depth: Depth,
}

fn depth(text: &str) -> std::result::Result<Depth, String> {
    let bits: u8 = text.parse().map_err(|_| "give 8 or 16")?;
    Depth::try_from(bits)
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
    /// Compare the films' own files and not their squares: for stores of different sides, while the files are there
    #[arg(long)]
    files: bool,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    store: PathBuf,
    /// Draw films of each label, and some without, into this PNG; those with masks or boxes first
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Films on the sheet, at most
    #[arg(long, default_value_t = 40, value_name = "NUMBER", requires = "sheet", value_parser = clap::value_parser!(u16).range(1..=1000))]
    films: u16,
    /// Draw only films that are positive for this label
    #[arg(long, value_name = "NAME", requires = "sheet")]
    label: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    cli.output.run(|out| {
        match cli.command {
            Command::Phantom(args) => write_phantom(&args, out),
            Command::Prepare(args) => prepare_store(&args, out),
            Command::Verify(args) => verify_stores(&args, out),
            Command::Inspect(args) => inspect_store(&args, out),
            Command::Completions(completions) => Ok(completions.run(Cli::command())?),
        }
        .map(|()| ExitCode::SUCCESS)
    })
}

fn write_phantom(args: &PhantomArgs, out: &mut Output) -> Result<()> {
    let defaults = mflag_phantom::Options::new(args.layout);
    let options = mflag_phantom::Options {
        films: args.films,
        seed: args.seed,
        side: args.side.unwrap_or(defaults.side),
        validate: args.validate.unwrap_or(defaults.validate),
        test: args.test.unwrap_or(defaults.test),
        ..defaults
    };
    let summary = mflag_phantom::write(&args.out, &options)?;
    let mut table = Table::new(&["phantom", "films"]);
    for split in args.layout.splits() {
        let films = summary.splits[*split as usize];
        table.row([split.name().to_owned(), films.to_string()]);
    }
    for (kind, films) in &summary.kinds {
        table.row([format!("with {kind:?}").to_lowercase(), films.to_string()]);
    }
    if summary.objects > 0 {
        table.row([
            "with foreign objects".to_owned(),
            summary.objects.to_string(),
        ]);
    }
    table.row(["without finding".to_owned(), summary.normal.to_string()]);
    let words = format!(
        "{table}{} patients, {} lateral films: {}\n",
        summary.patients,
        summary.laterals,
        args.out.display()
    );
    out.say("phantom", &summary, words);
    Ok(())
}

fn prepare_store(args: &PrepareArgs, out: &mut Output) -> Result<()> {
    let begin = Instant::now();
    let dataset = by_name::read(args.dataset, &args.root, &args.options)?;
    let fit = match args.fit {
        FitName::Pad => Fit::Pad,
        FitName::Crop => Fit::Crop,
    };
    let options = prepare::Options {
        squaring: Squaring {
            side: args.side,
            fit,
            window: args.window,
            depth: args.depth,
        },
        ..prepare::Options::default()
    };
    let store = prepare::prepare(&dataset, &args.out, &options)?;

    let mut table = Table::new(&["films", "number"]);
    table.row(["kept".to_owned(), store.records().len().to_string()]);
    table.row([
        "could not be prepared".to_owned(),
        store.meta().bad.to_string(),
    ]);
    for (reason, films) in &dataset.dropped {
        table.row([reason.clone(), films.to_string()]);
    }
    out.say("films", &table, &table);
    let time = clock(begin.elapsed().as_secs());
    let words = format!("{}; {time}: {}\n", store.squaring(), args.out.display());
    out.say("store", &args.out, words);
    if store.meta().bad > 0 {
        let list = args.out.join("bad.csv");
        let words = format!("films that could not be prepared: {}\n", list.display());
        out.say("bad", &list, words);
    }
    Ok(())
}

fn verify_stores(args: &VerifyArgs, out: &mut Output) -> Result<()> {
    let stores: mflag_store::Result<Vec<Store>> =
        args.stores.iter().map(|s| Store::open(s)).collect();
    let stores = stores?;
    let same = if args.files {
        Same::Files
    } else {
        Same::Pixels
    };
    let verified = verify::verify(&stores.iter().collect::<Vec<_>>(), same)?;
    out.say("verified", verified, format!("{verified}\n"));
    Ok(())
}

fn inspect_store(args: &InspectArgs, out: &mut Output) -> Result<()> {
    let store = Store::open(&args.store)?;
    store.verify()?;
    let summary = inspect::summary(&store);
    let words = format!("{summary}\nthe shards are as they were written: their digests agree\n");
    out.say("store", &summary, words);
    if let Some(path) = &args.sheet {
        let sheet = Sheet {
            films: args.films.into(),
            label: args.label.clone(),
        };
        let shown = inspect::contact_sheet(&store, &sheet, path)?;
        let words = format!("contact sheet of {shown} films: {}\n", path.display());
        out.say("sheet", path, words);
    }
    Ok(())
}
