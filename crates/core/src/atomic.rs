//! Files that are there whole or not at all.

use std::fs::{DirEntry, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

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

/// Writes `path` as indented JSON and a newline, by [`write()`].
///
/// # Errors
/// Those of [`write()`], or if `value` cannot be JSON.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    write(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Removes `path`, if it is there.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Keeps other programs that ask for it out of `folder`, for as long as the file lives that is returned.
///
/// # Errors
/// If another program is at work there, or the folder cannot be opened.
pub fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|e| Error::io("open", folder, e))?;
    // Some network file systems know no locks: there users must take care.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Error::Run {
            path: folder.to_owned(),
            reason: "another program is at work in this folder: wait for its end, or stop it"
                .into(),
        });
    }
    Ok(file)
}

/// As [`lock`], but waits for the end of another program that is at work there, and says so.
///
/// # Errors
/// If the folder cannot be opened.
pub fn lock_in_turn(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|e| Error::io("open", folder, e))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        tracing::info!(
            "{}: another program is at work here: waiting",
            folder.display()
        );
        // As above, where there are no locks.
        let _ = file.lock();
    }
    Ok(file)
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
    let mut builder = tempfile::Builder::new();
    // By themselves temporary files are for their owner alone; what the umask takes away stays away.
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
    fn one_program_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("is at work in this folder"), "{refused}");
        drop(first);
        lock(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_that_new_files_have() {
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
