//! A folder in which a test makes up a data set.

use std::fs;
use std::path::{Path, PathBuf};

use mflag_data::{Dataset, Split};
use tempfile::TempDir;

pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A black image.
    #[allow(dead_code, reason = "not every data set's test needs it")]
    pub(crate) fn image(&self, name: &str, width: u32, height: u32) {
        self.write(name, "");
        image::GrayImage::new(width, height)
            .save(self.path(name))
            .unwrap();
    }

    #[allow(dead_code, reason = "not every data set's test needs it")]
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }
}

/// Identifiers and splits of the films.
#[allow(dead_code, reason = "not every data set's test needs it")]
pub(crate) fn films(data: &Dataset) -> Vec<(&str, Split)> {
    let films = data.records.iter();
    films.map(|r| (r.film.as_str(), r.split)).collect()
}

/// What was left out.
#[allow(dead_code, reason = "not every data set's test needs it")]
pub(crate) fn dropped(data: &Dataset) -> Vec<(&str, usize)> {
    let dropped = data.dropped.iter();
    dropped.map(|(why, n)| (why.as_str(), *n)).collect()
}
