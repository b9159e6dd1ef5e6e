//! Every input file is opened through this crate.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

/// Calls that open a file without limits.
const CALLS: [&str; 8] = [
    "fs::read(",
    "fs::read_to_string(",
    "File::open(",
    "OpenOptions::new(",
    "Reader::from_path(",
    "Mmap::map(",
    "ImageReader::open(",
    "image::open(",
];

/// Files that may open a file themselves, and how often.
const ALLOWED: [(&str, usize); 6] = [
    // Folders, to lock them or to flush them to disk.
    ("core/src/atomic.rs", 3),
    ("weights/src/atomic.rs", 1),
    // A file that the program itself has just written.
    ("encoder/src/export/torchscript.rs", 1),
    // What the system says of the processor and of the process.
    ("train/src/precision.rs", 1),
    ("train/src/fit_result.rs", 1),
    // The metrics of a run, to go on with them. The path is checked before.
    ("train/src/sinks/mod.rs", 1),
];

#[test]
fn no_other_crate_opens_files_without_limits() {
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut sources = Vec::new();
    for folder in std::fs::read_dir(crates).unwrap() {
        collect(&folder.unwrap().path().join("src"), &mut sources);
    }
    assert!(sources.len() > 200, "{} files", sources.len());
    for source in sources {
        let name = source.strip_prefix(crates).unwrap().to_str().unwrap();
        if name.starts_with("input/") {
            continue;
        }
        let text = std::fs::read_to_string(&source).unwrap();
        let (code, _tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        let found: usize = CALLS.iter().map(|call| code.matches(call).count()).sum();
        let allowed = ALLOWED.iter().find(|(file, _)| *file == name);
        assert_eq!(
            found,
            allowed.map_or(0, |(_, count)| *count),
            "{name}: calls of {CALLS:?}; open files with mflag_input"
        );
    }
}

/// The sources in a folder, without files of tests.
fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            sources.push(path);
        }
    }
}
