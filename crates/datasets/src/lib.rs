//! Readers of data sets: the tables, films and reports of others become [records](mflag_store::Record).

pub mod by_name;
pub mod reader;
pub mod readers;
pub mod report_text;
pub mod split;
pub mod table;

pub use mflag_store::{Error, Result};
