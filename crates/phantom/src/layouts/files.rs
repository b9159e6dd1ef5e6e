//! Writes films, lateral films and tables: what several layouts share.

use std::path::Path;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use mflag_core::table;
use mflag_film::Film;
use mflag_store::{Error, Result};

/// Quality of the JPEG films, of 100.
const QUALITY: u8 = 90;
/// Grey level of the lateral films. Readers leave them out, so they show nothing.
const LATERAL_GREY: u8 = 96;

/// Encodes a film as a baseline JPEG. Only the error message uses `path`.
pub(super) fn jpeg(film: &Film, path: &Path) -> Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&film.pixels, film.width, film.height, ExtendedColorType::L8)
        .map_err(|e| Error::file(path, format!("the film cannot be encoded: {e}")))?;
    Ok(jpeg)
}

/// The lateral film of a study: plain grey, a quarter of the frontal film's size.
pub(super) fn lateral(frontal: &Film) -> Film {
    Film::filled(
        (frontal.width / 4).max(1),
        (frontal.height / 4).max(1),
        LATERAL_GREY,
    )
}

/// Writes a file, and creates its folder if necessary.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    }
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// Writes a CSV table.
pub(super) fn write_table<R>(
    path: &Path,
    head: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> Result<()>
where
    R: IntoIterator<Item: AsRef<str>>,
{
    Ok(table::write_csv(path, head, rows)?)
}
