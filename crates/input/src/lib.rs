//! Opens input files within limits. All files that a user names, or that lie in a folder that a
//! user names, are opened here.
//!
//! - [`open`] opens regular files only. A named pipe, a device or a socket may block or never end,
//!   so it is refused by name.
//! - [`Limit`] says how large a file of a kind may be. [`read`] and [`read_text`] keep to it;
//!   [`stream`] opens a file of at most that size, and [`Capped`] keeps any stream to it, after
//!   decompression, too; [`lines`] keeps each line to it.
//! - [`catch_panic`] turns a panic of a library on damaged input into an error.
//!
//! All errors are [`std::io::Error`]s without the file's name: the caller adds it.
//!
//! ```
//! use mflag_input::{CONFIGURATION, read_text};
//!
//! let error = read_text("/dev/zero".as_ref(), &CONFIGURATION).unwrap_err();
//! assert!(error.to_string().contains("is a device"));
//! ```

mod file;
mod limit;
mod panic;
mod stream;

pub use file::{Mmap, check, map, open, read, read_text, stream};
pub use limit::{
    CONFIGURATION, JSON, LINE, LIST, Limit, METRICS, PICTURE, RECORD, REPORT, RESULTS, TABLE,
    TOKENIZER, exceeds_limit,
};
pub use panic::{Panicked, catch_panic};
pub use stream::{Capped, lines};
