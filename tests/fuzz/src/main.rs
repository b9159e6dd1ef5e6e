//! `mflag-fuzz`: feeds mutated files to everything that reads files, for hours.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mflag_fuzz::formats::FORMATS;
use mflag_fuzz::{Options, fuzz};

/// Feed mutated files to everything that reads files
#[derive(Debug, Parser)]
struct Cli {
    /// How long to go on, in minutes
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Seed of the first round; each round has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Formats to feed; all if none is named
    #[arg(long)]
    format: Vec<String>,
    /// Inputs of a format in each round
    #[arg(long, default_value_t = 10_000)]
    inputs: u64,
    /// Number of threads
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let start = Instant::now();
    let end = Duration::from_secs(60 * cli.minutes);
    let mut faults = 0;
    for seed in cli.seed.. {
        for format in FORMATS {
            if !cli.format.is_empty() && !cli.format.iter().any(|name| name == format.name) {
                continue;
            }
            if start.elapsed() >= end {
                println!("{faults} faults");
                return ExitCode::from(u8::from(faults > 0));
            }
            let options = Options {
                seed,
                inputs: cli.inputs,
                threads: cli.threads,
            };
            let begun = Instant::now();
            let found = fuzz(&format, options, Path::new("target/fuzz"));
            println!(
                "seed {seed}, {}: {} inputs in {:.0} s, {} accepted, at most {} MiB and {:.1} s",
                format.name,
                cli.inputs,
                begun.elapsed().as_secs_f64(),
                found.accepted,
                found.memory >> 20,
                found.time.as_secs_f64(),
            );
            for fault in &found.faults {
                println!("  {fault}");
            }
            faults += found.faults.len();
        }
    }
    ExitCode::SUCCESS
}
