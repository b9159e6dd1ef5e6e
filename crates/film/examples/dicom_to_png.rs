//! Converts a film in DICOM, JPEG or PNG to a PNG of 8 bits.
//!
//! ```text
//! cargo run -p mflag-film --example dicom_to_png IN OUT [WINDOW]
//! ```
//!
//! `WINDOW` is `voi` (the default), `full-range`, `percentile` or `percentile:LOW,HIGH`.

use std::error::Error;
use std::path::Path;

use image::GrayImage;
use mflag_film::{Film, Options, Window, decode_with, encode_png};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (input, output, window) = match &arguments[..] {
        [input, output] => (input, output, Window::default()),
        [input, output, window] => (input, output, window.parse()?),
        _ => return Err("usage: dicom_to_png IN OUT [WINDOW]".into()),
    };
    let options = Options {
        window,
        ..Options::default()
    };
    let Film {
        width,
        height,
        pixels,
    } = decode_with(Path::new(input), &options)?;
    let image = GrayImage::from_raw(width, height, pixels).ok_or("the film has too few pixels")?;
    std::fs::write(output, encode_png(&image.into(), Path::new(output))?)?;
    println!("{output}: {width}×{height} px, window {window}");
    Ok(())
}
