//! The flags of every program that set how much it logs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The flags of every program.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Log more: -v for debug lines (these may hold patient identifiers), -vv for traces
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 900)]
    verbose: u8,
    /// Log only errors
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
    /// Starts logging to standard error. A progress bar stays below the log lines. `RUST_LOG`
    /// overrides the flags. Lines are coloured on a terminal, unless `NO_COLOR` is set.
    pub fn init(&self) {
        self.init_unless(false);
    }

    /// As [`Common::init`]. With `muted`, logs only errors if no flag asks for more: another
    /// process logs the same.
    pub fn init_unless(&self, muted: bool) {
        let level = match (self.quiet || (muted && self.verbose == 0), self.verbose) {
            (true, _) => "error",
            (_, 0) => "info",
            (_, 1) => "debug",
            _ => "trace",
        };
        // The names of all crates of this workspace begin with mflag.
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(format!("warn,mflag={level}")));
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !dumb;
        let bars = tracing_indicatif::IndicatifLayer::new();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(bars.get_stderr_writer())
            .with_ansi(colours)
            .with_target(false)
            .compact();
        // A second call, as in tests, fails and keeps the first subscriber.
        let _ = tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .with(bars)
            .try_init();
    }
}
