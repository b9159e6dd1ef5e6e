//! The one thread that holds the network, and the channel to it.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use mflag_core::device::DeviceSettings;
use mflag_film::Film;
use tokio::sync::{mpsc, oneshot};

use crate::network::{About, Answer, Network, Source};

/// A film that waits, and who waits for it.
struct Job {
    square: Film,
    reply: oneshot::Sender<Result<Answer, String>>,
}

/// Sends films to the thread; it ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    pub(crate) about: Arc<About>,
}

/// How the thread works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Where the network computes.
    pub(crate) on: DeviceSettings,
    /// Films that may wait.
    pub(crate) waiting: usize,
    /// Films that are answered together, if as many wait.
    pub(crate) batch: usize,
}

impl Worker {
    /// Opens the network in a thread of its own; not from asynchronous code.
    pub(crate) fn start(source: Source, options: Options) -> Result<(Worker, JoinHandle<()>)> {
        let (jobs, waiting) = mpsc::channel(options.waiting);
        let (opened, ready) = oneshot::channel();
        let work = move || {
            let network = Network::open(&source, options.on);
            match network {
                Ok(network) => {
                    let _ = opened.send(Ok(network.about()));
                    run(&network, waiting, options.batch);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        let thread = std::thread::Builder::new().name("network".to_owned());
        let thread = thread
            .spawn(work)
            .context("the network's thread did not start")?;
        let about = ready
            .blocking_recv()
            .context("the network's thread ended")??;
        let about = Arc::new(about);
        Ok((Worker { jobs, about }, thread))
    }

    /// What the network says of a square.
    pub(crate) async fn answer(&self, square: Film) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        let ended = || anyhow!("the network's thread has ended");
        let sent = self.jobs.send(Job { square, reply }).await;
        sent.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?.map_err(|e| anyhow!(e))
    }

    /// Whether the thread is there.
    pub(crate) fn is_alive(&self) -> bool {
        !self.jobs.is_closed()
    }
}

/// Answers until nobody can ask any more: films that have come meanwhile together.
fn run(network: &Network, mut waiting: mpsc::Receiver<Job>, batch: usize) {
    while let Some(job) = waiting.blocking_recv() {
        let mut jobs = vec![job];
        while jobs.len() < batch
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        let (squares, replies): (Vec<Film>, Vec<_>) =
            jobs.into_iter().map(|j| (j.square, j.reply)).unzip();
        // Who does not wait any more is not answered.
        match network.answer(&squares) {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    let _ = reply.send(Ok(answer));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.to_string()));
                }
            }
        }
    }
}
