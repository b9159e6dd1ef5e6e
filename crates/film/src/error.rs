//! Errors of this crate.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a film. Each message names the problem, the file if there is one, and the
/// fix if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The film cannot be decoded, or exceeds the limits.
    #[error("{}: {reason}", path.display())]
    Film {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A film or a square without pixels.
    #[error(
        "a film of {width}×{height} px in a square of {side} px: every side must be at least 1 px"
    )]
    Size {
        /// Columns of the film.
        width: u32,
        /// Rows of the film.
        height: u32,
        /// Side of the square in pixels.
        side: u32,
    },
    /// A part of a film that is empty, or does not lie on the film.
    #[error(
        "a part of {}×{} px from column {} and row {} on does not lie on a film of {}×{} px",
        part[2], part[3], part[0], part[1], film[0], film[1]
    )]
    Part {
        /// Left and upper edge, columns and rows of the part.
        part: [u32; 4],
        /// Columns and rows of the film.
        film: [u32; 2],
    },
}
