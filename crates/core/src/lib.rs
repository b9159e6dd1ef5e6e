//! What all mflag programs share: configuration, run folders, seeds, atomic files, tables, progress
//! and errors. The crate needs neither libtorch nor clap.

pub mod atomic;
pub mod config;
pub mod device;
pub mod digest;
mod direction;
mod error;
pub mod launch;
mod named;
pub mod npy;
pub mod output;
pub mod progress;
pub mod resume;
pub mod run;
pub mod seed;
pub mod signals;
pub mod suggest;
pub mod table;
mod visible;

pub use direction::Direction;
pub use error::{Error, Result};
pub use named::Named;
pub use visible::{shortened, visible, visible_line};
