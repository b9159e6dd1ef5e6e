//! Readers of data sets: they turn the tables, films and reports of a publisher into
//! [records](mflag_store::Record). A record describes one film: its file, patient, study, split,
//! report text, labels, boxes and mask.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use mflag_datasets::Reader;
//! use mflag_datasets::readers::rsna::{Options, Rsna};
//!
//! let data = Rsna::read(Path::new("RSNA"), &Options::default())?;
//! println!("{} films with the labels {:?}", data.records.len(), data.labels);
//! # Ok::<(), mflag_datasets::Error>(())
//! ```
//!
//! The [module of each reader](readers) documents its layout on disk and its options.
//!
//! Of mflag's libraries, only this one uses clap: the options of a reader are also the flags of its
//! subcommand of `mflag-data prepare`, so each flag is described once.

mod annotations;
mod checks;
mod film_files;
mod left_out;
pub mod reader;
pub mod readers;
pub mod report_text;
pub mod split;
pub mod table;

pub use annotations::AnnotationOptions;
pub use mflag_store::{Error, Result};
pub use reader::Reader;
