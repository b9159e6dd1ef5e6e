//! `mflag-experiments`: the runs of an experiment, and its tables.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use mflag_cli::{Common, Completions, OutputArgs, after_help};
use mflag_core::atomic;
use mflag_core::config;
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::signals::exit_code;
use mflag_experiments::config::Experiments;
use mflag_experiments::{Ended, Job, Plan, Results, Runner, State};

/// Run the cells of an experiment (task × encoder × fraction of the labels × seed) and collect its tables
#[derive(Debug, Parser)]
#[command(name = "mflag-experiments", version, after_help = after_help(EXAMPLES))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-experiments plan configs/experiments/paper-segmentation.yaml
  mflag-experiments run configs/experiments/paper-segmentation.yaml --set seeds=[0]
  mflag-experiments table configs/experiments/paper-segmentation.yaml

Cells that are done stay as they are, those that were interrupted go on: run the same command again.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is done, and what the rest will cost
    Plan(Of),
    /// Say what it will cost, run the missing cells, print the tables
    Run(Of),
    /// Print the tables of what is done, and write results.md and results.csv
    Table(Of),
    /// Print the JSON schema of an experiment
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

#[derive(Debug, Args)]
struct Of {
    /// The experiment (YAML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Override one value, as often as needed: --set seeds=[0]
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Of {
    fn load(&self) -> mflag_core::Result<Experiments> {
        Ok(config::load(Some(&self.file), &self.sets)?.config)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    cli.output.run(|out| match cli.command {
        Command::Plan(of) => plan(&of.load()?, out),
        Command::Run(of) => run(&of.load()?, out),
        Command::Table(of) => {
            let experiments = of.load()?;
            let plan = Plan::new(&experiments)?;
            plan.check_unchanged()?;
            table(&experiments, &plan, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => {
            completions.run(Cli::command())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            let schema = config::schema::<Experiments>();
            println!("{}", serde_json::to_string_pretty(&schema)?);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn plan(experiments: &Experiments, out: &mut Output) -> Result<ExitCode> {
    let plan = Plan::new(experiments)?;
    let cost = plan.cost(experiments)?;
    out.say("plan", &cost, format!("{}\n\n{cost}\n", experiments.title));
    plan.check_unchanged()?;
    if plan.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let words = format!("what is missing:\n  - {}\n", plan.problems.join("\n  - "));
    out.say("missing", &plan.problems, words);
    Ok(ExitCode::FAILURE)
}

fn run(experiments: &Experiments, out: &mut Output) -> Result<ExitCode> {
    let mut plan = Plan::new(experiments)?;
    let cost = plan.cost(experiments)?;
    out.say("plan", &cost, format!("{}\n\n{cost}\n", experiments.title));
    if !plan.problems.is_empty() {
        bail!(
            "nothing was run, as something is missing:\n  - {}",
            plan.problems.join("\n  - ")
        );
    }
    plan.check_unchanged()?;
    std::fs::create_dir_all(&experiments.runs)
        .map_err(|e| mflag_core::Error::io("create", &experiments.runs, e))?;
    let _lock = atomic::lock(&experiments.runs)?;
    let runner = Runner::new()?;
    runner.check(plan.jobs())?;
    let failed = match run_all(&runner, plan.encoders.iter_mut().collect(), out)? {
        Over::Interrupted(code) => return Ok(code),
        Over::Ran(failed) => failed,
    };
    if !failed.is_empty() {
        bail!(
            "without its encoder no cell can be run: {}",
            failed.join("; ")
        );
    }
    if !plan.encoders.is_empty() {
        // What the cells read is there now.
        plan = Plan::new(experiments)?;
        plan.check_unchanged()?;
    }
    let cells = plan.cells.iter_mut().map(|cell| &mut cell.job);
    let failed = match run_all(&runner, cells.collect(), out)? {
        Over::Interrupted(code) => return Ok(code),
        Over::Ran(failed) => failed,
    };
    table(experiments, &plan, out)?;
    if !failed.is_empty() {
        bail!(
            "{} cells failed:\n  - {}",
            failed.len(),
            failed.join("\n  - ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// How a list of jobs ended.
enum Over {
    /// Each was run; those that failed, with where to look.
    Ran(Vec<String>),
    /// A signal came: the code to leave with.
    Interrupted(ExitCode),
}

/// Runs those that are not done.
fn run_all(runner: &Runner, jobs: Vec<&mut Job>, out: &Output) -> Result<Over> {
    let all = jobs.len();
    let mut failed = Vec::new();
    for (place, job) in jobs.into_iter().enumerate() {
        if matches!(job.state()?, State::Done(_)) {
            continue;
        }
        out.remark(format!("{} of {all}: {}\n", place + 1, job.wanted.name));
        match runner.run(job)? {
            Ended::Finished => {
                if let State::Done(seconds) = job.state()? {
                    out.remark(format!("  done in {}\n", clock(seconds.ceil() as u64)));
                }
            }
            Ended::Failed(code) => {
                failed.push(format!(
                    "{} (exit code {code}): {}",
                    job.wanted.name,
                    job.log().display()
                ));
                out.remark(format!("  failed: {}\n", job.log().display()));
            }
            Ended::Interrupted(signal) => {
                out.remark("interrupted; run the same command again to go on\n");
                return Ok(Over::Interrupted(exit_code(signal).into()));
            }
        }
    }
    Ok(Over::Ran(failed))
}

fn table(experiments: &Experiments, plan: &Plan, out: &mut Output) -> Result<()> {
    let results = Results::read(experiments, plan)?;
    // Before anything is written: a full disk takes no table from who has waited for it.
    let words = format!("\n{}", results.render(false)?);
    out.say("results", results.cells()?, words);
    std::fs::create_dir_all(&experiments.runs)
        .map_err(|e| mflag_core::Error::io("create", &experiments.runs, e))?;
    results.write(&experiments.runs)?;
    let file = experiments.runs.join("results.md");
    out.remark(format!("\ntables: {}\n", file.display()));
    mflag_report::write_beside(&experiments.runs, out);
    Ok(())
}
