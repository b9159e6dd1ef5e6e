//! The commands, a module each.

pub(crate) mod eval;
pub(crate) mod predict;
pub(crate) mod schema;
pub(crate) mod train;

use std::path::Path;

use anyhow::Result;

/// Creates a folder and its parents.
fn create_folder(folder: &Path) -> Result<()> {
    let created = std::fs::create_dir_all(folder);
    Ok(created.map_err(|e| mflag_core::Error::io("create", folder, e))?)
}
