//! Files that are there whole or not at all: `mflag_core::atomic` once more, so that whoever takes this crate need not take that one.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{Error, Result};

/// How the names of temporary files begin.
pub(crate) const PARTIAL: &str = ".partial-";

/// The folder that `path` lies in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Writes `path` by `fill`: under a temporary name in the same folder, flushed to disk and renamed.
///
/// # Errors
/// If the folder cannot be written or `fill` fails; `path` is then untouched.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    replace(path, fill).map_err(|e| Error::io("write", path, e))
}

fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // By themselves temporary files are for their owner alone; what the umask takes away stays away.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.prefix(PARTIAL).tempfile_in(folder(path))?;
    let mut buffered = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut buffered)?;
    let temporary = buffered
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    std::fs::File::open(folder(path))?.sync_all()
}
