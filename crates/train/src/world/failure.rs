//! How the ranks end after a failure: one of them prints one message.
//!
//! A rank that fails by itself puts its message into the store. A rank whose collective fails,
//! because another rank is gone, notes that it is still there. So rank 0 learns which rank failed
//! and why, and which ranks ended without a word.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mflag_core::launch::Launch;
use serde_json::json;

use super::World;
use super::connect::{POLL, listed};
use crate::error::Result;

/// How long a rank waits for the last words of the others.
const GRACE: Duration = Duration::from_secs(5);

/// The start of a message of libtorch about a rank that is gone.
const LOST: [&str; 2] = ["gloo/transport", "Socket "];

/// The last words of a rank.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    /// It has failed by itself, with this message.
    Failed(String),
    /// It waited for another rank.
    Waited,
    /// It has not been heard of.
    Silent,
}

impl World {
    /// Ends this rank after the failure `error`, its message with all causes. Returns the message
    /// to print if this rank is the one to print it: rank 0, or the lowest one if rank 0 is gone.
    /// No collective works afterwards.
    pub fn last_words(&self, error: &str) -> Option<String> {
        let waited = self.0.failure.get().is_some() || LOST.iter().any(|lost| error.contains(lost));
        if !waited {
            write_error_file(self.launch(), error);
        }
        // If the network is lost, the store does not answer for a quarter of an hour.
        let (sender, receiver) = channel();
        let (world, own) = (self.clone(), error.to_owned());
        std::thread::spawn(move || sender.send(world.speak(waited, &own)));
        let spoken = receiver.recv_timeout(3 * GRACE);
        spoken.unwrap_or_else(|_| self.without_store(waited, error))
    }

    fn speak(&self, waited: bool, error: &str) -> Option<String> {
        let words = if waited { "" } else { error };
        if self
            .0
            .store
            .set(&key(self.rank()), words.as_bytes())
            .is_err()
        {
            return self.without_store(waited, error);
        }
        // The others now notice that this rank has failed.
        if let Err(error) = self.0.group.close() {
            tracing::debug!("closing the connections to the other ranks: {error}");
        }
        if !waited && !self.is_main() {
            return None;
        }
        let Ok(heard) = self.listen() else {
            return self.without_store(waited, error);
        };
        let speaker = heard.iter().position(|last| *last != Last::Silent);
        if speaker != Some(self.rank()) {
            return None;
        }
        let message = self.summary(&heard, error);
        if waited {
            write_error_file(self.launch(), &message);
        }
        Some(message)
    }

    /// Rank 0 served the store and is gone. If it has failed by itself, it has said why.
    fn without_store(&self, waited: bool, error: &str) -> Option<String> {
        match waited {
            false => Some(error.to_owned()),
            true => (self.rank() == 1).then(|| gone(&[0])),
        }
    }

    /// The last words of all ranks. Waits until all are heard or [`GRACE`] is over; a rank other
    /// than 0 waits only for rank 0, which speaks.
    fn listen(&self) -> Result<Vec<Last>> {
        let end = Instant::now() + GRACE;
        let until = if self.is_main() { self.size() } else { 1 };
        loop {
            let heard = (0..self.size()).map(|rank| self.last(rank));
            let heard = heard.collect::<Result<Vec<Last>>>()?;
            if !heard[..until].contains(&Last::Silent) || Instant::now() > end {
                if self.is_main() {
                    // The others look into the store, which ends with this process if it serves it.
                    std::thread::sleep(10 * POLL);
                }
                return Ok(heard);
            }
            std::thread::sleep(POLL);
        }
    }

    fn last(&self, rank: usize) -> Result<Last> {
        Ok(match self.0.store.get(&key(rank))? {
            Some(words) if words.is_empty() => Last::Waited,
            Some(words) => Last::Failed(String::from_utf8_lossy(&words).into_owned()),
            None => Last::Silent,
        })
    }

    fn summary(&self, heard: &[Last], error: &str) -> String {
        if let Last::Failed(own) = &heard[self.rank()] {
            return own.clone();
        }
        let failed = heard
            .iter()
            .enumerate()
            .find_map(|(rank, last)| match last {
                Last::Failed(message) => Some(format!("rank {rank}: {message}")),
                _ => None,
            });
        let ranks = heard.iter().enumerate();
        let silent = ranks.filter(|(_, last)| **last == Last::Silent);
        let silent: Vec<usize> = silent.map(|(rank, _)| rank).collect();
        failed.unwrap_or_else(|| match silent.is_empty() {
            false => gone(&silent),
            true => format!(
                "the ranks lost each other, though all still run ({error}): check the network between \
                 the hosts, then go on with --resume"
            ),
        })
    }
}

fn key(rank: usize) -> String {
    format!("last/{rank}")
}

fn gone(ranks: &[usize]) -> String {
    format!(
        "{} no longer answers: it was killed (for lack of memory?), or hangs, or its network is lost; \
         look at its log and its host, then go on with --resume",
        listed(ranks)
    )
}

/// Tells torchrun why this process ends. It shows the message with the smallest time.
fn write_error_file(launch: &Launch, message: &str) {
    let Some(file) = &launch.error_file else {
        return;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let content = json!({ "message": message, "timestamp": now.as_secs() });
    if let Err(error) = std::fs::write(file, content.to_string()) {
        tracing::warn!("cannot write {} for torchrun: {error}", file.display());
    }
}
