//! Prints the vector of a film: `cargo run -p mflag-encoder --example embed -- encoder.safetensors film.jpg`
use mflag_encoder::film::FilmEncoder;

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [weights, film] = &paths[..] else {
        anyhow::bail!("give an encoder and a film")
    };
    let encoder = FilmEncoder::open(weights.as_ref(), tch::Device::Cpu)?;
    let film = encoder.read(film.as_ref())?;
    println!("{:?}", encoder.embed(&[film])?[0]);
    Ok(())
}
