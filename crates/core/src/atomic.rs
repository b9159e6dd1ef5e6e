//! Atomic writes: a file is complete or absent. Locks of folders.

use std::fs::{DirEntry, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// Writes `path` atomically. `fill` writes to a temporary file in the same folder, which is flushed
/// to disk and renamed to `path`. If the process is killed or the disk is full, `path` keeps its
/// old content.
///
/// # Errors
/// If the folder cannot be written, or `fill` fails. `path` then keeps its old content.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    replace(path, folder, fill).map_err(|e| Error::io("write", path, e))
}

/// Writes `value` to `path` as indented JSON with a final newline, with [`write()`].
///
/// # Errors
/// If `path` cannot be written, or `value` has no JSON form.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    write(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Removes the file `path` if it exists.
///
/// # Errors
/// If the file exists and cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Locks `folder` against other mflag programs until the returned file is dropped.
///
/// # Errors
/// If another program has locked the folder, or it cannot be opened.
pub fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|e| Error::io("open", folder, e))?;
    // Some network file systems do not support locks. The folder then stays unlocked.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Error::Run {
            path: folder.to_owned(),
            reason: "is in use by another program: wait until it ends, or stop it".into(),
        });
    }
    Ok(file)
}

/// As [`lock`], but waits while another program has locked the folder.
///
/// # Errors
/// If the folder cannot be opened.
pub fn lock_in_turn(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|e| Error::io("open", folder, e))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        tracing::info!("{} is in use by another program: waiting", folder.display());
        // As in `lock`: on a file system without locks, the folder stays unlocked.
        let _ = file.lock();
    }
    Ok(file)
}

/// Prefix of the names of temporary files.
const PARTIAL: &str = ".partial-";

/// Whether `folder` is empty, except for temporary files of a killed [`write()`].
///
/// # Errors
/// If the folder cannot be read.
pub fn is_empty(folder: &Path) -> Result<bool> {
    let only_partial = || -> io::Result<bool> {
        for entry in std::fs::read_dir(folder)? {
            if !is_partial(&entry?) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    only_partial().map_err(|e| Error::io("read", folder, e))
}

fn is_partial(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(PARTIAL)
}

/// Removes the temporary files that a killed [`write()`] left in `folder`. No other program may be
/// writing there.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be removed.
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
    let mut builder = tempfile::Builder::new();
    // By default, only the owner can read temporary files. Like other new files, these follow the
    // umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.prefix(PARTIAL).tempfile_in(folder)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut buffered)?;
    let temporary = buffered
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
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
    fn a_locked_folder_cannot_be_locked_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err().to_string();
        assert!(
            refused.contains("is in use by another program"),
            "{refused}"
        );
        drop(first);
        lock(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_of_other_new_files() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let meta = std::fs::metadata(dir.path().join(name)).unwrap();
            meta.permissions().mode()
        };
        std::fs::write(dir.path().join("usual"), "").unwrap();
        write(&dir.path().join("atomic"), |_| Ok(())).unwrap();
        assert_eq!(mode("atomic"), mode("usual"));
    }

    #[test]
    fn temporary_files_of_a_killed_write_are_removed() {
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
    fn a_missing_folder_is_named() {
        let message = write(Path::new("/nowhere/at/all.txt"), |_| Ok(()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/at/all.txt"), "{message}");
    }
}
