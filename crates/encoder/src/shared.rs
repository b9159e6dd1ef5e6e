//! A film encoder for many threads and async tasks.

use std::path::Path;

use mflag_film::{Film, Limits};

use crate::batcher::{BatchOptions, Batcher};
use crate::film_encoder::FilmEncoder;
use crate::preprocess::Preprocess;
use crate::{Error, Result};

/// A [`FilmEncoder`] that many threads and async tasks share. Films that wait at the same time are
/// computed in one batch.
///
/// It is `Send`, `Sync` and cheap to clone. Films are read and decoded on the caller's thread, and
/// computed on the encoder's own thread ([`Batcher`]).
///
/// ```no_run
/// use mflag_encoder::tch::Device;
/// use mflag_encoder::{BatchOptions, FilmEncoder, SharedEncoder};
///
/// let encoder = FilmEncoder::open("encoder.safetensors", Device::Cpu)?;
/// let encoder = SharedEncoder::new(encoder, BatchOptions::default())?;
/// std::thread::scope(|scope| {
///     for file in ["a.jpg", "b.dcm"] {
///         let encoder = encoder.clone();
///         scope.spawn(move || {
///             let vector = encoder.embed_blocking(encoder.read(file)?)?;
///             println!("{file}: {} values", vector.len());
///             Ok::<(), mflag_encoder::Error>(())
///         });
///     }
/// });
/// # Ok::<(), mflag_encoder::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SharedEncoder {
    batcher: Batcher<Film, Vec<f32>, Error>,
    preprocess: Preprocess,
    width: usize,
}

impl SharedEncoder {
    /// Moves the encoder to a thread of its own.
    ///
    /// # Errors
    /// [`Error::Thread`] if the operating system cannot start a thread.
    pub fn new(encoder: FilmEncoder, options: BatchOptions) -> Result<SharedEncoder> {
        let (preprocess, width) = (encoder.preprocess(), encoder.width());
        let embed = move |films: &[Film]| {
            let vectors = encoder.embed(films)?;
            Ok(vectors.rows().into_iter().map(|row| row.to_vec()).collect())
        };
        Ok(SharedEncoder {
            batcher: Batcher::start(options, embed).map_err(Error::Thread)?,
            preprocess,
            width,
        })
    }

    /// The length of a film's vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How films are prepared for the network.
    pub fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// Like [`FilmEncoder::read`], on the caller's thread.
    ///
    /// # Errors
    /// As [`FilmEncoder::read`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Film> {
        self.preprocess.read(path, &Limits::default())
    }

    /// Like [`FilmEncoder::decode`], on the caller's thread. Decoding a film takes milliseconds: in
    /// async code, do it on a thread for blocking work.
    ///
    /// # Errors
    /// As [`FilmEncoder::decode`].
    pub fn decode(&self, bytes: &[u8]) -> Result<Film> {
        self.preprocess.decode(bytes, &Limits::default())
    }

    /// The vector of a film. Waits for room in the queue, then for the vector.
    ///
    /// # Errors
    /// As [`FilmEncoder::embed`], and [`Error::Closed`] if the encoder's thread has panicked.
    pub async fn embed(&self, film: Film) -> Result<Vec<f32>> {
        self.batcher.call(film).await
    }

    /// Like [`embed`](SharedEncoder::embed), but blocks the thread: not for async code.
    ///
    /// # Errors
    /// As [`embed`](SharedEncoder::embed).
    pub fn embed_blocking(&self, film: Film) -> Result<Vec<f32>> {
        self.batcher.call_blocking(film)
    }

    /// Whether the encoder's thread still runs.
    pub fn is_alive(&self) -> bool {
        self.batcher.is_alive()
    }
}
