//! Habits that all binaries share: flags, log lines, and how a run ends.

use std::error::Error;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use signal_hook::consts::SIGPIPE;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Result;
use crate::config::{self, Config, Loaded};

/// Flags of every binary.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Say more: -v for debug lines (these may hold patient identifiers), -vv for traces
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 900)]
    verbose: u8,
    /// Say only what went wrong
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 901
    )]
    quiet: bool,
}

impl Common {
    /// Sends log lines to standard error, above any progress bar. `RUST_LOG` wins over the flags; colours only on a
    /// terminal and without `NO_COLOR`.
    pub fn init(&self) {
        let ours = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (_, 0) => "info",
            (_, 1) => "debug",
            _ => "trace",
        };
        // All of our crates' names begin so.
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(format!("warn,mflag={ours}")));
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !dumb;
        let bars = tracing_indicatif::IndicatifLayer::new();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(bars.get_stderr_writer())
            .with_ansi(colours)
            .with_target(false)
            .compact();
        // A second call, as in tests, keeps the first one's subscriber.
        let _ = tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .with(bars)
            .try_init();
    }
}

/// What stands below a program's help: `examples`, and what its exit codes mean.
pub fn after_help(examples: &str) -> String {
    help_below(
        examples,
        "0 done",
        "; 128 + signal interrupted, and can go on",
    )
}

/// As [`after_help`], of a program that serves until a signal ends it.
pub fn after_help_of_service(examples: &str) -> String {
    help_below(examples, "0 ended by SIGINT or SIGTERM", "")
}

fn help_below(examples: &str, done: &str, signalled: &str) -> String {
    format!(
        "{examples}

Exit codes: {done}; 1 failed, the last line says why; 2 the command line is not understood;
101 a fault of the program itself{signalled}"
    )
}

/// The flags that choose a configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file (YAML); the defaults alone when absent
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override one value, as often as needed: --set train.epochs=5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// The checked configuration.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn load<T: Config>(&self) -> Result<Loaded<T>> {
        config::load(self.config.as_deref().map(Path::new), &self.sets)
    }
}

/// The flags of a program's `train`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainArgs {
    /// The configuration of a new run.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Folder of the run: configuration, metrics, checkpoints, what it has learned, report
    #[arg(short, long, value_name = "DIR")]
    pub run: PathBuf,
    /// Go on with the run in that folder, by its own configuration
    #[arg(long, conflicts_with_all = ["config", "sets"])]
    pub resume: bool,
}

/// A line on standard error; where that cannot be written, nobody is left to tell.
pub(crate) fn say_on_stderr(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What `println!` panics with where it cannot write.
const STDOUT: &str = "failed printing to stdout: ";

/// Runs a program: an error ends in one message on standard error and exit code 1, a panic in one that asks for a
/// report and exit code 101, a closed output pipe quietly.
pub fn run_main<E: AsRef<dyn Error + Send + Sync>>(
    program: impl FnOnce() -> std::result::Result<ExitCode, E>,
) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let fault = info.to_string();
        if let Some((_, why)) = fault.split_once(STDOUT) {
            // Its reader, such as `head`, has seen enough: ended as by SIGPIPE.
            if why.contains("Broken pipe") {
                std::process::exit(128 + SIGPIPE);
            }
            say_on_stderr(format_args!(
                "error: cannot write to standard output: {why}"
            ));
            std::process::exit(1);
        }
        if let Some(words) = out_of_memory(&fault) {
            say_on_stderr(format_args!(
                "error: {words}; take a smaller train.batch_size or data.side, or free some memory"
            ));
            std::process::exit(1);
        }
        say_on_stderr(format_args!(
            "error: mflag met a fault of its own and had to stop; please report this line:\n  {fault}"
        ));
    }));
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(program)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            say_on_stderr(format_args!("error: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::from(101),
    }
}

/// What libtorch says where memory does not suffice: layers of tch panic with it.
fn out_of_memory(fault: &str) -> Option<&str> {
    let said = ["CUDA out of memory", "DefaultCPUAllocator: "];
    let begin = said.iter().find_map(|words| fault.find(words))?;
    let end = fault[begin..].find(['\n', '\\', '"']);
    Some(fault[begin..].get(..end?).unwrap_or(&fault[begin..]))
}

/// An error and its causes, those left out that an outer message has already told.
fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_told() {
        let fault = "panicked at tch/src/x.rs:1:2:\ncalled `Result::unwrap()` on an `Err` value: Torch(\"[enforce fail at \
                     alloc_cpu.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\\nException\")";
        assert_eq!(
            out_of_memory(fault),
            Some("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        );
        assert_eq!(out_of_memory("index out of bounds"), None);
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = crate::Error::io("read", "/a", cause);
        assert_eq!(
            chain(&error).matches("not found").count(),
            1,
            "{}",
            chain(&error)
        );
    }
}
