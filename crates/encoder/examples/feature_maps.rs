//! Prints the shapes of a film's feature maps, and where the last one is largest.
//!
//! ```console
//! $ cargo run -p mflag-encoder --example feature_maps -- encoder.safetensors film.jpg
//! ```
//!
//! The example `random_encoder` writes an encoder if you have none.

use mflag_encoder::FilmEncoder;
use mflag_encoder::tch::Device;

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [weights, file] = &paths[..] else {
        anyhow::bail!("usage: feature_maps ENCODER.safetensors FILM")
    };
    let encoder = FilmEncoder::open(weights, Device::Cpu)?;
    let features = encoder.features(&[encoder.read(file)?])?;
    println!("stem {:?}", features.stem.size());
    for (stage, map) in (2..).zip(&features.stages) {
        println!("C{stage} {:?}", map.size());
    }
    println!("pooled {:?}", features.pooled.size());

    // The mean over the channels of C5: where the network responds most.
    let response = features.stages[3].f_mean_dim(1, false, None)?.f_squeeze()?;
    let largest = response.f_argmax(None, false)?.f_int64_value(&[])?;
    let columns = response.size()[1];
    println!(
        "C5 responds most in row {}, column {}",
        largest / columns,
        largest % columns
    );
    Ok(())
}
