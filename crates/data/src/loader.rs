//! Batches of films from a store, made ahead by threads of their own.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use mflag_core::seed;

use crate::augment::{Augment, centre};
use crate::store::Store;
use crate::{Error, Result};

/// A batch of films.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// `[n, 1, side, side]`, row by row.
    pub pixels: Vec<u8>,
    /// Side of the films in pixels.
    pub side: u32,
    /// Which films of the store they are.
    pub films: Vec<usize>,
}

/// How batches are made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Side of the views in pixels; at most the store's.
    pub side: u32,
    /// Films in a batch.
    pub batch_size: usize,
    /// Threads; 0: a quarter of the cores.
    pub threads: usize,
    /// Batches kept ready.
    pub prefetch: usize,
}

impl Options {
    fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.threads == 0 {
            (cores / 4).clamp(1, 32)
        } else {
            self.threads
        }
    }
}

/// Films of a store, to be gone through in batches.
#[derive(Debug, Clone)]
pub struct Loader {
    store: Arc<Store>,
    films: Arc<[usize]>,
    options: Options,
}

impl Loader {
    /// A loader of these `films` of the store, by index.
    ///
    /// # Errors
    /// If the views are larger than the store's films.
    pub fn new(store: Arc<Store>, films: &[usize], options: Options) -> Result<Loader> {
        if options.side > store.side() {
            let reason = format!(
                "its films are {} px wide, views of {} px were asked for: prepare larger films or lower data.side",
                store.side(),
                options.side
            );
            return Err(Error::file(store.folder() as &Path, reason));
        }
        Ok(Loader {
            store,
            films: films.into(),
            options,
        })
    }

    /// Full batches in an epoch of training.
    pub fn full_batches(&self) -> usize {
        self.films.len() / self.options.batch_size
    }

    /// Training batches of `epoch` from number `first` on: augmented films in an order drawn from (seed, epoch). What
    /// does not fill a batch is left out; it is other films in each epoch.
    pub fn shuffled(&self, augment: &Augment, seed: u64, epoch: u64, first: usize) -> Batches {
        let order = seed::permutation(seed, epoch, self.films.len());
        let (films, augment) = (self.films.clone(), augment.clone());
        let picked: Vec<usize> = order.iter().map(|&i| films[i as usize]).collect();
        let view = move |store: &Store, film: usize, view: &mut [u8], side: u32| {
            let mut rng = seed::rng(seed, epoch, film as u64);
            augment.view(store.pixels(film), store.side(), view, side, &mut rng);
        };
        self.start(picked, first, self.full_batches(), view)
    }

    /// All films in order, the middle of each, without augmentation; the last batch may be smaller.
    pub fn in_order(&self) -> Batches {
        let view = |store: &Store, film: usize, view: &mut [u8], side: u32| {
            centre(store.pixels(film), store.side(), view, side);
        };
        let films = self.films.to_vec();
        let batches = films.len().div_ceil(self.options.batch_size);
        self.start(films, 0, batches, view)
    }

    /// Thread `k` of `t` makes the batches `first + k`, `first + k + t`, …; [`Batches`] takes them in turn.
    fn start<V>(&self, films: Vec<usize>, first: usize, end: usize, view: V) -> Batches
    where
        V: Fn(&Store, usize, &mut [u8], u32) + Clone + Send + 'static,
    {
        let threads = self.options.threads();
        let ahead = self.options.prefetch.div_ceil(threads);
        let films: Arc<[usize]> = films.into();
        let start = |k: usize| {
            let (sender, receiver) = sync_channel(ahead);
            let (store, films, view) = (self.store.clone(), films.clone(), view.clone());
            let Options {
                side, batch_size, ..
            } = self.options;
            let numbers = (first + k..end).step_by(threads);
            let work = move || {
                let chunks = numbers.map(|n| {
                    let begin = n * batch_size;
                    films[begin..(begin + batch_size).min(films.len())].to_vec()
                });
                send_batches(
                    chunks,
                    &sender,
                    |film, pixels| view(&store, film, pixels, side),
                    side,
                );
            };
            (receiver, std::thread::spawn(work))
        };
        let (receivers, workers) = (0..threads).map(start).unzip();
        Batches {
            receivers,
            workers,
            next: 0,
            left: end.saturating_sub(first),
        }
    }
}

fn send_batches(
    chunks: impl Iterator<Item = Vec<usize>>,
    sender: &SyncSender<Batch>,
    view: impl Fn(usize, &mut [u8]),
    side: u32,
) {
    let area = (side as usize).pow(2);
    for films in chunks {
        let mut pixels = vec![0; films.len() * area];
        for (film, place) in films.iter().zip(pixels.chunks_exact_mut(area)) {
            view(*film, place);
        }
        if sender
            .send(Batch {
                pixels,
                side,
                films,
            })
            .is_err()
        {
            return; // Nobody wants more.
        }
    }
}

/// Batches in order; dropping it ends the threads.
#[derive(Debug)]
pub struct Batches {
    receivers: Vec<Receiver<Batch>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
    left: usize,
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        self.left = self.left.checked_sub(1)?;
        let receiver = &self.receivers[self.next];
        self.next = (self.next + 1) % self.receivers.len();
        let lost = |_| {
            self.left = 0;
            Error::Data(
                "a loader thread stopped before its time: the store was changed while it was read"
                    .into(),
            )
        };
        Some(receiver.recv().map_err(lost))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.receivers.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
