//! Published numbers, to show beside measured ones.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_core::config::{self, Config};
use mflag_core::table::percent;
use mflag_core::{Error, Result};
use mflag_input::CONFIGURATION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::wrong_fractions;

/// A file of published tables.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Published {
    /// The tables by the names of tasks.
    pub tables: BTreeMap<String, PublishedTable>,
}

/// A published table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// The publication.
    pub source: String,
    /// Fractions of the labels, one per column.
    pub fractions: Vec<f64>,
    /// One row per encoder.
    pub rows: Vec<PublishedRow>,
}

/// A row of a published table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedRow {
    /// Name of the encoder.
    pub encoder: String,
    /// One value per fraction, as printed. Some are `<1`.
    pub values: Vec<String>,
}

impl Config for Published {
    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, table) in &self.tables {
            let wrong = wrong_fractions(&table.fractions);
            problems.extend(wrong.map(|problem| format!("tables: '{name}': {problem}")));
            for row in &table.rows {
                let (found, expected) = (row.values.len(), table.fractions.len());
                if found != expected {
                    problems.push(format!(
                        "tables: '{name}': '{}' has {found} values for {expected} fractions",
                        row.encoder
                    ));
                }
            }
        }
        problems
    }
}

impl Published {
    /// Reads a file of published tables.
    ///
    /// # Errors
    /// If the file cannot be read, or a row does not have one value per fraction.
    pub fn read(path: &Path) -> Result<Published> {
        let text =
            mflag_input::read_text(path, &CONFIGURATION).map_err(|e| Error::io("read", path, e))?;
        config::from_yaml(&text, path)
    }
}

impl PublishedTable {
    /// The values of a row at these fractions; an empty text where no value is published.
    pub fn at(&self, row: &PublishedRow, fractions: &[f64]) -> Vec<String> {
        let value = |fraction: &f64| {
            let same = |f: &f64| percent(*f) == percent(*fraction);
            let column = self.fractions.iter().position(same);
            column.map_or(String::new(), |column| row.values[column].clone())
        };
        fractions.iter().map(value).collect()
    }
}
