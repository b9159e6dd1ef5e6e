//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{Error, Result};

/// Writes `path` by `fill`: into a temporary file of the same folder, flushed to disk, then renamed over `path`. Killed at any
/// moment, or out of space, `path` holds its old content or the new one, never a part.
///
/// # Errors
/// If the folder cannot be written or `fill` fails; `path` is then untouched and the temporary file removed.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    replace(path, folder, fill).map_err(|e| Error::io("write", path, e))
}

fn replace(
    path: &Path,
    folder: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .tempfile_in(folder)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut buffered)?;
    let temporary = buffered
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    widen_permissions(temporary.as_file())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

/// Temporary files are made for their owner alone; the finished one gets the usual permissions.
#[cfg(unix)]
fn widen_permissions(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn widen_permissions(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write(&path, |f| f.write_all(b"old")).unwrap();
        let failed = write(&path, |f| {
            f.write_all(b"new and longer")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(failed.unwrap_err().to_string().contains("free some space"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_absent_folder_is_named() {
        let message = write(Path::new("/nowhere/at/all.txt"), |_| Ok(()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/at/all.txt"), "{message}");
    }
}
