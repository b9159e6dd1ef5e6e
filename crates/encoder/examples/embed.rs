//! Prints the vectors of films, a line each: `cargo run -p mflag-encoder --example embed -- encoder.safetensors film.jpg …`
use mflag_encoder::film::FilmEncoder;

fn main() -> anyhow::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let Some((weights, films)) = paths.split_first() else {
        anyhow::bail!("give an encoder and films")
    };
    let encoder = FilmEncoder::open(weights.as_ref(), tch::Device::Cpu)?;
    for film in films {
        let film = encoder.read(film.as_ref())?;
        println!("{:?}", encoder.embed(&[film])?[0]);
    }
    Ok(())
}
