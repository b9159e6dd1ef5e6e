//! SIGINT and SIGTERM: the first asks a long job to leave, the second ends the process at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{Error, Result};

/// The code that a program leaves with which a `signal` ended, as shells have it: 128 more.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// The handlers of the process.
#[derive(Debug, Clone)]
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Starts to listen; the handlers are installed once in a process.
    ///
    /// # Errors
    /// The system's own.
    pub fn listen() -> Result<Signals> {
        static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
        if let Some(received) = RECEIVED.get() {
            return Ok(Signals(received.clone()));
        }
        let received = RECEIVED.get_or_init(Arc::default).clone();
        let again = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the shutdown acts only where an earlier signal has set `again`.
            flag::register_conditional_shutdown(signal, 128 + signal, again.clone())
                .and_then(|_| flag::register(signal, again.clone()))
                .and_then(|_| flag::register_usize(signal, received.clone(), signal as usize))
                .map_err(|e| Error::config(format!("signals cannot be listened to: {e}")))?;
        }
        Ok(Signals(received))
    }

    /// The signal that came, if one did.
    pub fn received(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::Relaxed))
            .ok()
            .filter(|signal| *signal != 0)
    }
}
