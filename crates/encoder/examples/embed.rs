//! Prints the vectors of films, one line per film.
//!
//! ```console
//! $ cargo run -p mflag-encoder --example embed -- encoder.safetensors a.jpg b.dcm …
//! ```
//!
//! The example `random_encoder` writes an encoder if you have none.

use mflag_encoder::FilmEncoder;
use mflag_encoder::tch::Device;

/// Films in a batch. Larger batches need more memory and are hardly faster on a CPU.
const BATCH: usize = 16;

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let Some((weights, files)) = paths.split_first() else {
        anyhow::bail!("usage: embed ENCODER.safetensors FILM…")
    };
    let encoder = FilmEncoder::open(weights, Device::Cpu)?;
    for files in files.chunks(BATCH) {
        let films = files
            .iter()
            .map(|file| encoder.read(file))
            .collect::<Result<Vec<_>, _>>()?;
        for (file, vector) in files.iter().zip(encoder.embed(&films)?.rows()) {
            println!("{file} {:?}", vector.to_vec());
        }
    }
    Ok(())
}
