//! Batches of films from a store, made ahead of time by worker threads.
//!
//! A stored square is resized first, if the views are of another size ([`ViewGeometry`]); then the
//! view is cut out of it and augmented.
//!
//! A batch has 8 bits a pixel even if the store has 16. Views of a 16-bit store are resampled and
//! stretched in 16 bits and rounded last: a dark film keeps its grey levels, and only one byte a
//! pixel goes to the device.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use mflag_core::seed;
use mflag_film::{Grey, ViewGeometry};

use crate::augment::{Augment, View};
use crate::{Error, Greys, Result, Store};

/// A batch of films, each with its training target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<T = ()> {
    /// `[n, 1, side, side]`, row by row; empty for [`Source::Features`].
    pub pixels: Vec<u8>,
    /// Side of the views in pixels.
    pub side: u32,
    /// Indices of the films in the store.
    pub films: Vec<usize>,
    /// One target a film.
    pub targets: Vec<T>,
}

/// How batches are made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the store's squares become views.
    pub view: ViewGeometry,
    /// Films in a batch.
    pub batch_size: usize,
    /// Leave out the last, smaller batch of an epoch. Each epoch leaves out other films.
    pub full_only: bool,
    /// Worker threads; 0: a quarter of the cores.
    pub threads: usize,
    /// Batches that are made ahead of their use.
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

/// The part of a film that the network reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The pixels of a view.
    Pixels,
    /// Features of the film's centre, which the caller has cached: batches have no pixels, and
    /// targets belong to [`View::centre`].
    Features,
}

/// The epoch for which batches are made. The content of a batch does not depend on the number of
/// threads.
#[derive(Debug, Clone, Copy)]
pub struct Epoch<'a> {
    /// Random changes of the films.
    pub augment: &'a Augment,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch.
    pub epoch: u64,
    /// Number of the first batch to make: 0, or where a resumed run continues.
    pub first_batch: usize,
}

/// Makes batches of some films of a store.
#[derive(Debug, Clone)]
pub struct Loader {
    store: Arc<Store>,
    films: Arc<[usize]>,
    options: Options,
    share: Share,
}

/// The share of each batch for one of several processes that train together.
#[derive(Debug, Clone, Copy)]
struct Share {
    rank: usize,
    ranks: usize,
}

impl Loader {
    /// A loader of `films`, which are indices into the store.
    ///
    /// # Errors
    /// If the views are of squares of another size than the store's.
    pub fn new(store: Arc<Store>, films: &[usize], options: Options) -> Result<Loader> {
        if options.view.square() != store.side() {
            let reason = format!(
                "the views are of squares of {} px, but the store's films have {} px: prepare the \
                 films with the same side",
                options.view.square(),
                store.side()
            );
            return Err(Error::file(store.folder() as &Path, reason));
        }
        Ok(Loader {
            store,
            films: films.into(),
            options,
            share: Share { rank: 0, ranks: 1 },
        })
    }

    /// The loader of process `rank` of `ranks`. Of each batch of [`Loader::shuffled`], it makes
    /// every `ranks`-th film, beginning with number `rank`; of the batches of [`Loader::in_order`],
    /// it makes every `ranks`-th, beginning with number `rank`. `ranks` must divide the batch size.
    #[must_use]
    pub fn for_rank(self, rank: usize, ranks: usize) -> Loader {
        Loader {
            share: Share { rank, ranks },
            ..self
        }
    }

    /// How the store's squares become views.
    pub fn view(&self) -> ViewGeometry {
        self.options.view
    }

    /// Batches in an epoch of training.
    pub fn batches_per_epoch(&self) -> usize {
        if self.options.full_only {
            self.films.len() / self.options.batch_size
        } else {
            self.films.len().div_ceil(self.options.batch_size)
        }
    }

    /// The batches of a training epoch: augmented films in random order. `target` computes the
    /// target of a film in a view of it.
    pub fn shuffled<T: Send + 'static>(
        &self,
        source: Source,
        epoch: &Epoch<'_>,
        target: impl Fn(usize, &View) -> T + Clone + Send + 'static,
    ) -> Batches<T> {
        let &Epoch {
            seed,
            epoch: number,
            first_batch,
            ..
        } = epoch;
        let order = seed::permutation(seed, number, self.films.len());
        let order: Vec<usize> = order.iter().map(|&i| self.films[i as usize]).collect();
        let Share { rank, ranks } = self.share;
        let batches = order.chunks(self.options.batch_size);
        let films = batches.flat_map(|batch| batch.iter().skip(rank).step_by(ranks));
        let augment = epoch.augment.clone();
        let (from, to) = (self.view().resize(), self.view().side());
        let view = move |film: usize| match source {
            Source::Pixels => augment.draw(from, to, &mut seed::rng(seed, number, film as u64)),
            Source::Features => View::centre(from, to),
        };
        let plan = Plan {
            films: films.copied().collect(),
            batch_size: self.options.batch_size / ranks,
            first_batch,
            end: self.batches_per_epoch(),
        };
        self.start(plan, source, view, target)
    }

    /// All films once, in the order of [`Loader::new`], without augmentation. The last batch may be
    /// smaller. `target` as in [`Loader::shuffled`].
    pub fn in_order<T: Send + 'static>(
        &self,
        source: Source,
        target: impl Fn(usize, &View) -> T + Clone + Send + 'static,
    ) -> Batches<T> {
        let (from, to) = (self.view().resize(), self.view().side());
        let Share { rank, ranks } = self.share;
        let batch_size = self.options.batch_size;
        let batches = self.films.chunks(batch_size).skip(rank).step_by(ranks);
        let plan = Plan {
            first_batch: 0,
            end: batches.len(),
            films: batches.flatten().copied().collect(),
            batch_size,
        };
        self.start(plan, source, move |_| View::centre(from, to), target)
    }

    /// Starts the worker threads. Thread `k` of `t` makes the batches `first_batch + k`,
    /// `first_batch + k + t`, …; [`Batches`] takes one batch from each thread in turn.
    fn start<T, V, G>(&self, plan: Plan, source: Source, view: V, target: G) -> Batches<T>
    where
        T: Send + 'static,
        V: Fn(usize) -> View + Clone + Send + 'static,
        G: Fn(usize, &View) -> T + Clone + Send + 'static,
    {
        let Plan {
            films,
            batch_size: size,
            first_batch,
            end,
        } = plan;
        let threads = self.options.threads();
        let ahead = self.options.prefetch.div_ceil(threads);
        let start = |k: usize| {
            let (sender, receiver) = sync_channel(ahead);
            let maker = Maker {
                store: self.store.clone(),
                geometry: self.view(),
                source,
                view: view.clone(),
                target: target.clone(),
            };
            let films = films.clone();
            let work = move || {
                for number in (first_batch + k..end).step_by(threads) {
                    let begin = number * size;
                    let batch = maker.batch(&films[begin..(begin + size).min(films.len())]);
                    if sender.send(batch).is_err() {
                        return; // The iterator was dropped.
                    }
                }
            };
            (receiver, std::thread::spawn(work))
        };
        let (receivers, workers) = (0..threads).map(start).unzip();
        Batches {
            receivers,
            workers,
            next: 0,
            left: end.saturating_sub(first_batch),
        }
    }
}

/// The batches to make: batch `n`, which begins at film `n · batch_size`, for each `n` in
/// `first_batch..end`.
struct Plan {
    films: Arc<[usize]>,
    batch_size: usize,
    first_batch: usize,
    end: usize,
}

/// All that a worker thread needs to make batches.
struct Maker<V, G> {
    store: Arc<Store>,
    geometry: ViewGeometry,
    source: Source,
    view: V,
    target: G,
}

impl<V: Fn(usize) -> View, G> Maker<V, G> {
    fn batch<T>(&self, films: &[usize]) -> Batch<T>
    where
        G: Fn(usize, &View) -> T,
    {
        let views: Vec<View> = films.iter().map(|&film| (self.view)(film)).collect();
        let pixels = match self.source {
            Source::Pixels => self.pixels(films, &views),
            Source::Features => Vec::new(),
        };
        let targets = films.iter().zip(&views);
        Batch {
            pixels,
            side: self.geometry.side(),
            targets: targets
                .map(|(&film, view)| (self.target)(film, view))
                .collect(),
            films: films.to_vec(),
        }
    }

    fn pixels(&self, films: &[usize], views: &[View]) -> Vec<u8> {
        let area = (self.geometry.side() as usize).pow(2);
        let mut pixels = vec![0; films.len() * area];
        for ((&film, view), out) in films.iter().zip(views).zip(pixels.chunks_exact_mut(area)) {
            self.draw(view, self.store.greys(film), out);
        }
        pixels
    }

    /// Writes the view of the stored square `film` into `out`.
    fn draw(&self, view: &View, film: Greys<'_>, out: &mut [u8]) {
        match film {
            Greys::Eight(film) => view.film(&self.geometry.resized(film), out),
            Greys::Sixteen(film) => {
                let mut deep = vec![0; out.len()];
                view.film(&self.geometry.resized(film), &mut deep);
                for (pixel, value) in out.iter_mut().zip(deep) {
                    *pixel = value.to_eight();
                }
            }
        }
    }
}

/// An iterator over the batches in order. Dropping it ends the worker threads.
#[derive(Debug)]
pub struct Batches<T = ()> {
    receivers: Vec<Receiver<Batch<T>>>,
    workers: Vec<JoinHandle<()>>,
    /// The thread that makes the next batch.
    next: usize,
    /// Batches still to come.
    left: usize,
}

impl<T> Iterator for Batches<T> {
    type Item = Result<Batch<T>>;

    fn next(&mut self) -> Option<Result<Batch<T>>> {
        self.left = self.left.checked_sub(1)?;
        let receiver = &self.receivers[self.next];
        self.next = (self.next + 1) % self.receivers.len();
        let lost = |_| {
            self.left = 0;
            Error::Data(
                "a loader thread has failed: was the store changed while it was read?".into(),
            )
        };
        Some(receiver.recv().map_err(lost))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> Drop for Batches<T> {
    fn drop(&mut self) {
        self.receivers.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
