//! SIGINT and SIGTERM. The first signal asks a long job to stop; the second ends the process at
//! once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use signal_hook::consts::SIGINT;
pub use signal_hook::consts::SIGTERM;
use signal_hook::flag;

use crate::{Error, Result};

/// The environment variable that holds the id of the mflag program that started this one.
pub const PARENT: &str = "MFLAG_PARENT";

/// Asks the system to send SIGTERM to this process when the mflag program that started it ends,
/// even by SIGKILL: otherwise a training would go on that nobody sees. Ends the process if that
/// program has ended already. Does nothing in a process without [`PARENT`].
pub fn end_with_parent() {
    let parent = std::env::var(PARENT).ok();
    let Some(parent) = parent.and_then(|id| id.parse::<i32>().ok()) else {
        return;
    };
    // A system that refuses leaves the process as it is without this request.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    if getppid().map(|id| id.as_raw_nonzero().get()) != Some(parent) {
        std::process::exit(exit_code(SIGTERM).into());
    }
}

/// The exit code of a program that `signal` ended, as in shells: 128 + signal.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// The signal handlers of the process.
#[derive(Debug, Clone)]
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Installs the handlers, once per process.
    ///
    /// # Errors
    /// If the system refuses to install a handler.
    pub fn listen() -> Result<Signals> {
        static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
        if let Some(received) = RECEIVED.get() {
            return Ok(Signals(received.clone()));
        }
        let received = RECEIVED.get_or_init(Arc::default).clone();
        let again = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters. The first handler ends the process if `again` is set. It runs
            // before the second handler sets `again`, so only a second signal ends the process.
            flag::register_conditional_shutdown(signal, 128 + signal, again.clone())
                .and_then(|_| flag::register(signal, again.clone()))
                .and_then(|_| flag::register_usize(signal, received.clone(), signal as usize))
                .map_err(|e| {
                    Error::Internal(format!("signal handlers cannot be installed: {e}"))
                })?;
        }
        Ok(Signals(received))
    }

    /// The signal that was received, if any.
    pub fn received(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::Relaxed))
            .ok()
            .filter(|signal| *signal != 0)
    }
}
