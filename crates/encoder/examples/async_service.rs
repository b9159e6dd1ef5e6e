//! Embeds films from async tasks, as the handlers of a web service would. Tasks wait without
//! blocking a thread of the runtime, and films of different tasks share a batch.
//!
//! ```console
//! $ cargo run -p mflag-encoder --example async_service -- encoder.safetensors a.jpg b.dcm …
//! ```
//!
//! The example `random_encoder` writes an encoder if you have none. `examples/service` of this
//! repository is a complete HTTP service.

use mflag_encoder::tch::Device;
use mflag_encoder::{BatchOptions, Error, FilmEncoder, SharedEncoder};
use tokio::task::{JoinSet, spawn_blocking};

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let Some((weights, files)) = paths.split_first() else {
        anyhow::bail!("usage: async_service ENCODER.safetensors FILM…")
    };
    // Opened before the runtime starts, because opening blocks.
    let encoder = FilmEncoder::open(weights, Device::Cpu)?;
    let encoder = SharedEncoder::new(encoder, BatchOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(serve(&encoder, files));
    Ok(())
}

/// Handles all files at the same time, like requests that arrive together.
async fn serve(encoder: &SharedEncoder, files: &[String]) {
    let mut requests = JoinSet::new();
    for file in files.iter().cloned() {
        let encoder = encoder.clone();
        requests.spawn(async move { (handle(&encoder, file.clone()).await, file) });
    }
    while let Some(finished) = requests.join_next().await {
        match finished {
            Ok(((status, body), file)) => println!("{file}: {status} {body}"),
            Err(error) => println!("a task failed: {error}"),
        }
    }
}

/// The HTTP status and body for an uploaded film.
async fn handle(encoder: &SharedEncoder, file: String) -> (u16, String) {
    match embed(encoder, file).await {
        Ok(vector) => (200, format!("{:?}", &vector[..4])),
        Err(error @ Error::Film { .. }) => (422, error.to_string()),
        Err(error @ Error::Closed(_)) => (503, error.to_string()),
        Err(error) => (500, error.to_string()),
    }
}

async fn embed(encoder: &SharedEncoder, file: String) -> Result<Vec<f32>, Error> {
    // Reading and decoding block, so they run on a thread for that.
    let reader = encoder.clone();
    let film = match spawn_blocking(move || reader.read(file)).await {
        Ok(film) => film?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    encoder.embed(film).await
}
