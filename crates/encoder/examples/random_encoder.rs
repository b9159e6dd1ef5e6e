//! Writes an encoder with random weights, for trying out the other examples without a trained one.
//!
//! ```console
//! $ cargo run -p mflag-encoder --example random_encoder -- encoder.safetensors
//! ```

use mflag_encoder::tch::{self, Device, nn};
use mflag_encoder::{Arch, FilmEncoder, Fit, Preprocess, ResNet, Squaring};

fn main() -> anyhow::Result<()> {
    let Some(path) = std::env::args().nth(1) else {
        anyhow::bail!("usage: random_encoder ENCODER.safetensors")
    };
    // The same weights each time.
    tch::manual_seed(0);
    let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), Arch::ResNet18)?;
    let preprocess = Preprocess::new(Squaring::new(128, Fit::Pad), 112);
    let encoder = FilmEncoder::new(&network, preprocess, serde_json::Value::Null)?;
    encoder.write(&path)?;
    println!(
        "{path}: {}, {} values per film",
        encoder.arch().name(),
        encoder.width()
    );
    Ok(())
}
