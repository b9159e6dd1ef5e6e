//! A temporary folder in which a test writes a made-up data set, and the cards of the real data
//! sets.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use mflag_datasets::split::{Offer, Rule, RuleOptions};
use mflag_store::{Dataset, Result, Split};
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

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a gzipped file.
    pub(crate) fn gz(&self, name: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        self.write(name, encoder.finish().unwrap());
    }

    /// Writes a black image.
    pub(crate) fn image(&self, name: &str, width: u32, height: u32) {
        self.write(name, "");
        let image = image::GrayImage::new(width, height);
        image.save(self.path(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// All files, relative to the root.
    fn files(&self) -> Vec<String> {
        let mut folders = vec![self.root().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.root()).unwrap();
                    files.push(name.display().to_string());
                }
            }
        }
        files
    }
}

/// Identifiers and splits of the films.
pub(crate) fn films(data: &Dataset) -> Vec<(&str, Split)> {
    let films = data.records.iter();
    films.map(|r| (r.film.as_str(), r.split)).collect()
}

/// Splits as letters: training r, validation v, test e.
pub(crate) fn letters(splits: impl IntoIterator<Item = Split>) -> String {
    let letter = |split| match split {
        Split::Train => 'r',
        Split::Validate => 'v',
        Split::Test => 'e',
    };
    splits.into_iter().map(letter).collect()
}

/// Identifiers of the films.
pub(crate) fn ids(data: &Dataset) -> Vec<&str> {
    data.records.iter().map(|r| r.film.as_str()).collect()
}

/// Reasons why films were left out, with counts.
pub(crate) fn left_out(data: &Dataset) -> Vec<(&str, usize)> {
    let left_out = data.left_out.iter();
    left_out.map(|(why, n)| (why.as_str(), *n)).collect()
}

/// The error message of a reader.
#[track_caller]
pub(crate) fn refusal(read: Result<Dataset>) -> String {
    read.unwrap_err().to_string()
}

/// A rule with parts for validation and test.
pub(crate) fn by_rule<T: From<RuleOptions>>(
    rule: Rule,
    validate: impl Into<Option<f64>>,
    test: impl Into<Option<f64>>,
) -> T {
    T::from(RuleOptions {
        rule: Some(rule),
        validate: validate.into(),
        test: test.into(),
        seed: None,
    })
}

/// A card in `datasets/`.
pub(crate) struct Card(String);

impl Card {
    pub(crate) fn open(name: &str) -> Card {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
        Card(fs::read_to_string(folder.join(name)).unwrap())
    }

    /// The text below a heading.
    pub(crate) fn section(&self, name: &str) -> &str {
        let (_, rest) = self.0.split_once(&format!("\n## {name}\n")).unwrap();
        rest.split("\n## ").next().unwrap()
    }

    /// Checks that the tree has every file of the card's layout, so that the tests read what the
    /// card describes.
    #[track_caller]
    pub(crate) fn describes(&self, tree: &Tree) {
        let files = tree.files();
        let layout = self.section("Layout");
        let block = layout.split("```").nth(1).unwrap();
        // The first two lines are the language of the code block and the root.
        let lines: Vec<&str> = block.lines().skip(2).collect();
        assert!(lines.len() > 1, "{block}");
        for line in lines {
            let names = line.trim_start().split("  ").next().unwrap();
            for pattern in names.split(", ") {
                let found = files
                    .iter()
                    .any(|file| matches(pattern.as_bytes(), file.as_bytes()));
                assert!(found, "the card has '{pattern}', the tree {files:?}");
            }
        }
    }

    /// Checks that the card lists every reason why films were left out.
    #[track_caller]
    pub(crate) fn has_reasons(&self, data: &Dataset) {
        let counts = self.section("Counts");
        for (reason, _) in &data.left_out {
            assert!(counts.contains(reason), "the card lacks '{reason}'");
        }
    }

    #[track_caller]
    pub(crate) fn mentions(&self, text: &str) {
        assert!(self.0.contains(text), "the card lacks '{text}'");
    }

    /// Checks that the card's table of splits has these rules in this order.
    #[track_caller]
    pub(crate) fn has_splits(&self, offers: &[Offer]) {
        // The rows below the header.
        let rows = self
            .section("Splits")
            .lines()
            .skip_while(|row| !row.starts_with("| ---"));
        let rules = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
        let known: Vec<&str> = offers.iter().map(|offer| offer.rule.name()).collect();
        assert_eq!(rules.collect::<Vec<_>>(), known);
    }
}

/// Whether a name matches a pattern of a card: `*` and `<name>` match anything but a slash, and a
/// number matches any number.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let anything = |rest: &[u8]| {
        let length = name.iter().take_while(|b| **b != b'/').count();
        (1..=length).any(|taken| matches(rest, &name[taken..]))
    };
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => anything(rest),
        [b'<', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b'>').unwrap();
            anything(&rest[end + 1..])
        }
        [b'0'..=b'9', ..] => {
            digits(name) > 0 && matches(&pattern[digits(pattern)..], &name[digits(name)..])
        }
        [byte, rest @ ..] => name.first() == Some(byte) && matches(rest, &name[1..]),
    }
}
