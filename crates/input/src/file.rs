//! Opens and reads regular files.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

pub use memmap2::Mmap;

use crate::limit::Limit;
use crate::stream::Capped;

/// Checks that `path` is a regular file or a link to one.
///
/// # Errors
/// If it is missing, or is a folder, a pipe, a device or a socket.
pub fn check(path: &Path) -> io::Result<()> {
    regular(&std::fs::metadata(path)?)
}

/// Opens a regular file for reading. It never waits, as an open of a named pipe would.
///
/// # Errors
/// If the file cannot be opened, or is a folder, a pipe, a device or a socket.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening a device can have an effect, so its kind is looked at first.
    check(path)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // If a pipe has taken the file's place since, opening it must not wait for a writer.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and if the file has more bytes.
pub fn read(path: &Path, limit: &Limit) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit.bytes {
        return Err(limit.exceeded());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // The file may grow while it is read.
    file.take(limit.bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.bytes {
        return Err(limit.exceeded());
    }
    Ok(bytes)
}

/// Opens a file as a stream of at most `limit` bytes.
///
/// # Errors
/// As [`open`].
pub fn stream(path: &Path, limit: &Limit) -> io::Result<Capped<File>> {
    Ok(Capped::new(open(path)?, *limit))
}

/// Reads a text file (UTF-8) of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and if the file is not UTF-8.
pub fn read_text(path: &Path, limit: &Limit) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|e| {
        let reason = format!(
            "it is not UTF-8 text (its byte {} is not); save it as UTF-8",
            e.utf8_error().valid_up_to() + 1
        );
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

/// Maps a file into memory. It takes memory of the process only where it is read, so it has no
/// limit. The file must not be written while it is mapped; mflag replaces files by renaming.
///
/// # Errors
/// As [`open`], and if the file cannot be mapped.
#[allow(unsafe_code, reason = "memory maps have no safe constructor")]
pub fn map(path: &Path) -> io::Result<Mmap> {
    let file = open(path)?;
    // SAFETY: the map is read-only. All files that are mapped (weights, shards of a store) are
    // written under another name and then renamed; they do not change in place.
    unsafe { Mmap::map(&file) }
}

fn regular(meta: &Metadata) -> io::Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let reason = format!(
        "it is {}, not a regular file; write its content to a file, and give that file",
        kind(meta.file_type())
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// What a path is that is no regular file.
fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() { "a folder" } else { "special" }
}
