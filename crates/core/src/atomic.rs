//! Files that are there whole or not at all.

use std::fs::{DirEntry, File};
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

/// How the names of temporary files begin.
const PARTIAL: &str = ".partial-";

/// Whether there is nothing in `folder` but what a [`write()`] left that was killed.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_empty(folder: &Path) -> Result<bool> {
    let look = || -> io::Result<bool> {
        for entry in std::fs::read_dir(folder)? {
            if !is_partial(&entry?) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    look().map_err(|e| Error::io("read", folder, e))
}

fn is_partial(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(PARTIAL)
}

/// Removes what a [`write()`] into `folder` left that was killed. No other may be at work there.
///
/// # Errors
/// If the folder cannot be read or a file not be removed.
pub fn sweep(folder: &Path) -> Result<()> {
    let sweep = || -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if is_partial(&entry) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    sweep().map_err(|e| Error::io("clear", folder, e))
}

fn replace(
    path: &Path,
    folder: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = tempfile::Builder::new()
        .prefix(PARTIAL)
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
    fn what_a_kill_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".partial-x1y2"), b"half").unwrap();
        std::fs::write(dir.path().join("whole"), b"whole").unwrap();
        assert!(!is_empty(dir.path()).unwrap());
        sweep(dir.path()).unwrap();
        let left = std::fs::read_dir(dir.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["whole"]);
        std::fs::rename(dir.path().join("whole"), dir.path().join(".partial-x1y2")).unwrap();
        assert!(is_empty(dir.path()).unwrap());
    }

    #[test]
    fn an_absent_folder_is_named() {
        let message = write(Path::new("/nowhere/at/all.txt"), |_| Ok(()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/at/all.txt"), "{message}");
    }
}
