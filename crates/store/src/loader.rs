//! Batches of films from a store, made ahead by threads of their own.
//!
//! A batch has 8 bits a pixel, of a store of 16 bits too: there views are resampled and stretched in 16 bits and rounded last,
//! so that a dark film keeps its steps, and no more than one byte a pixel goes to the device.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use mflag_core::seed;
use mflag_film::Grey;

use crate::augment::{Augment, View};
use crate::store::Greys;
use crate::{Error, Result, Store};

/// A batch of films, and of each what is to be learned of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<T = ()> {
    /// `[n, 1, side, side]`, row by row.
    pub pixels: Vec<u8>,
    /// Side of the films in pixels.
    pub side: u32,
    /// Which films of the store they are.
    pub films: Vec<usize>,
    /// One a film.
    pub targets: Vec<T>,
}

/// How batches are made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Side of the views in pixels; at most the store's.
    pub side: u32,
    /// Films in a batch.
    pub batch_size: usize,
    /// Leave out the films that do not fill a batch; they are others in each epoch.
    pub full_only: bool,
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

    /// How batches are made.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Batches in an epoch of training.
    pub fn batches(&self) -> usize {
        if self.options.full_only {
            self.films.len() / self.options.batch_size
        } else {
            self.films.len().div_ceil(self.options.batch_size)
        }
    }

    /// Training batches of `epoch` from number `first` on: augmented films in an order drawn from (seed, epoch). `target`
    /// says what is to be learned of a film of the store in a view of it.
    pub fn shuffled<T: Send + 'static>(
        &self,
        augment: &Augment,
        seed: u64,
        epoch: u64,
        first: usize,
        target: impl Fn(usize, &View) -> T + Clone + Send + 'static,
    ) -> Batches<T> {
        let order = seed::permutation(seed, epoch, self.films.len());
        let (films, augment) = (self.films.clone(), augment.clone());
        let picked: Vec<usize> = order.iter().map(|&i| films[i as usize]).collect();
        let (from, to) = (self.store.side(), self.options.side);
        let view =
            move |film: usize| augment.draw(from, to, &mut seed::rng(seed, epoch, film as u64));
        self.start(picked, first, self.batches(), view, target)
    }

    /// All films in order, the middle of each, without augmentation; the last batch may be smaller. `target` as in
    /// [`Loader::shuffled`].
    pub fn in_order<T: Send + 'static>(
        &self,
        target: impl Fn(usize, &View) -> T + Clone + Send + 'static,
    ) -> Batches<T> {
        let (from, to) = (self.store.side(), self.options.side);
        let films = self.films.to_vec();
        let batches = films.len().div_ceil(self.options.batch_size);
        self.start(films, 0, batches, move |_| View::centre(from, to), target)
    }

    /// Thread `k` of `t` makes the batches `first + k`, `first + k + t`, …; [`Batches`] takes them in turn.
    fn start<T, V, G>(
        &self,
        films: Vec<usize>,
        first: usize,
        end: usize,
        view: V,
        target: G,
    ) -> Batches<T>
    where
        T: Send + 'static,
        V: Fn(usize) -> View + Clone + Send + 'static,
        G: Fn(usize, &View) -> T + Clone + Send + 'static,
    {
        let threads = self.options.threads();
        let ahead = self.options.prefetch.div_ceil(threads);
        let films: Arc<[usize]> = films.into();
        let start = |k: usize| {
            let (sender, receiver) = sync_channel(ahead);
            let (store, films) = (self.store.clone(), films.clone());
            let (view, target) = (view.clone(), target.clone());
            let Options {
                side, batch_size, ..
            } = self.options;
            let work = move || {
                for number in (first + k..end).step_by(threads) {
                    let begin = number * batch_size;
                    let films = &films[begin..(begin + batch_size).min(films.len())];
                    if sender
                        .send(batch(&store, films, side, &view, &target))
                        .is_err()
                    {
                        return; // Nobody wants more.
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
            left: end.saturating_sub(first),
        }
    }
}

fn batch<T>(
    store: &Store,
    films: &[usize],
    side: u32,
    view: impl Fn(usize) -> View,
    target: impl Fn(usize, &View) -> T,
) -> Batch<T> {
    let area = (side as usize).pow(2);
    let mut pixels = vec![0; films.len() * area];
    let places = films.iter().zip(pixels.chunks_exact_mut(area));
    let targets = places.map(|(&film, place)| {
        let view = view(film);
        fill(place, store.greys(film), &view);
        target(film, &view)
    });
    let targets = targets.collect();
    Batch {
        pixels,
        side,
        films: films.to_vec(),
        targets,
    }
}

/// The view of `film` into `place`.
fn fill(place: &mut [u8], film: Greys<'_>, view: &View) {
    match film {
        Greys::Eight(film) => view.film(film, place),
        Greys::Sixteen(film) => {
            let mut deep = vec![0; place.len()];
            view.film(film, &mut deep);
            for (pixel, value) in place.iter_mut().zip(deep) {
                *pixel = value.to_eight();
            }
        }
    }
}

/// Batches in order; dropping it ends the threads.
#[derive(Debug)]
pub struct Batches<T = ()> {
    receivers: Vec<Receiver<Batch<T>>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
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

impl<T> Drop for Batches<T> {
    fn drop(&mut self) {
        self.receivers.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
