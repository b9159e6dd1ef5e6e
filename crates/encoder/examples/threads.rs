//! Embeds films from several threads with one encoder, and distinguishes bad films from other
//! errors.
//!
//! ```console
//! $ cargo run -p mflag-encoder --example threads -- encoder.safetensors a.jpg b.dcm …
//! ```
//!
//! The example `random_encoder` writes an encoder if you have none.

use std::sync::atomic::{AtomicUsize, Ordering};

use mflag_encoder::tch::{self, Device};
use mflag_encoder::{BatchOptions, Error, FilmEncoder, SharedEncoder};

/// Threads that read and decode films.
const READERS: usize = 4;

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let Some((weights, files)) = paths.split_first() else {
        anyhow::bail!("usage: threads ENCODER.safetensors FILM…")
    };
    // Leaves the other cores to the readers. Call it before anything is computed.
    tch::set_num_threads(1);
    let encoder = FilmEncoder::open(weights, Device::Cpu)?;
    let encoder = SharedEncoder::new(encoder, BatchOptions::default())?;

    // Each thread takes the next file until none is left.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            let encoder = encoder.clone();
            let next = &next;
            scope.spawn(move || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    print_vector(&encoder, file);
                }
            });
        }
    });
    Ok(())
}

fn print_vector(encoder: &SharedEncoder, file: &str) {
    let vector = encoder
        .read(file)
        .and_then(|film| encoder.embed_blocking(film));
    match vector {
        Ok(vector) => println!("{file} {:?}", &vector[..4]),
        Err(Error::Film { reason, .. }) => println!("{file}: not a film: {reason}"),
        Err(error) => println!("{file}: {error}"),
    }
}
