//! The files of films that are named by the films' identifiers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mflag_film::Format;
use mflag_store::{Error, Result};
use rayon::prelude::*;

/// Endings of films' files. A film's file is the first of these that exists: the originals come
/// first.
const ENDINGS: [&str; 5] = ["dicom", "dcm", "png", "jpg", "jpeg"];

/// The files in a folder that are films, by their names without the ending.
#[derive(Default)]
pub(crate) struct FilmFiles(HashMap<String, Vec<PathBuf>>);

impl FilmFiles {
    /// Lists the films in `folder` and up to `depth` folders below it. The ending of a file counts
    /// in any case. A file with another ending, or none, is a film if its first bytes are those of
    /// a JPEG, a PNG or a DICOM file. A folder that does not exist has no films.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub(crate) fn find(folder: &Path, depth: usize) -> Result<FilmFiles> {
        let mut films = FilmFiles::default();
        if folder.is_dir() {
            for (id, path) in named_films(folder, depth)? {
                films.0.entry(id).or_default().push(path);
            }
        }
        for files in films.0.values_mut() {
            files.sort_by_cached_key(|path| (rank(path), path.clone()));
        }
        Ok(films)
    }

    /// The file of a film. The originals come before copies in other formats.
    pub(crate) fn of(&self, id: &str) -> Option<&PathBuf> {
        self.0.get(id)?.first()
    }

    /// As [`Self::of`]. A film without a file gets the path `<folder>/<id>.<ending>`.
    pub(crate) fn of_or(&self, id: &str, folder: &Path, ending: &str) -> PathBuf {
        let missing = || folder.join(format!("{id}.{ending}"));
        self.of(id).cloned().unwrap_or_else(missing)
    }

    /// As [`Self::of`], for a film whose identifier is a file name with an ending, such as
    /// `1_000.png`. The film may have been converted to a format with another ending.
    pub(crate) fn of_name(&self, name: &str) -> Option<&PathBuf> {
        let path = Path::new(name);
        let has_ending = rank(path) < ENDINGS.len();
        self.of(path.file_stem().filter(|_| has_ending)?.to_str()?)
    }

    /// The identifiers of all films.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Two files of one film, if there are any.
    pub(crate) fn twice(&self) -> Option<[&Path; 2]> {
        self.0.values().find_map(|files| match &files[..] {
            [first, second, ..] => Some([first.as_path(), second.as_path()]),
            _ => None,
        })
    }
}

/// The position of a file's ending in [`ENDINGS`]; files with other endings come last.
fn rank(path: &Path) -> usize {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let known = ENDINGS.iter().position(|e| e.eq_ignore_ascii_case(ending));
    known.unwrap_or(ENDINGS.len())
}

/// The name and the path of every film in `folder` and up to `depth` folders below it.
fn named_films(folder: &Path, depth: usize) -> Result<Vec<(String, PathBuf)>> {
    let io = |e| Error::io("read", folder, e);
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder).map_err(io)?.collect();
    let films = entries.map_err(io)?.into_par_iter().map(|entry| {
        let path = entry.path();
        let has_ending = rank(&path) < ENDINGS.len();
        let name = if has_ending {
            path.file_stem()
        } else {
            path.file_name()
        };
        let Some(name) = name.and_then(|name| name.to_str()).map(str::to_owned) else {
            return Ok(Vec::new());
        };
        if has_ending {
            return Ok(vec![(name, path)]);
        }
        if path.is_dir() {
            return match depth {
                0 => Ok(Vec::new()),
                _ => named_films(&path, depth - 1),
            };
        }
        Ok(match Format::of_file(&path) {
            Ok(format) if format.is_film() => vec![(name, path)],
            _ => Vec::new(),
        })
    });
    let films: Result<Vec<Vec<_>>> = films.collect();
    Ok(films?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide_about_a_file_with_another_ending() {
        let folder = tempfile::tempdir().unwrap();
        let png = b"\x89PNG\r\n\x1a\n";
        for name in ["a.png", "a.DCM", "1.2.840.7", "c.tmp", "d.JPG"] {
            std::fs::write(folder.path().join(name), png).unwrap();
        }
        std::fs::write(folder.path().join("notes.md"), "# Notes").unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/e.dicom"), png).unwrap();

        let found = |depth| {
            let films = FilmFiles::find(folder.path(), depth).unwrap();
            let mut ids: Vec<String> = films.ids().map(str::to_owned).collect();
            ids.sort();
            ids
        };
        assert_eq!(found(0), ["1.2.840.7", "a", "c.tmp", "d"]);
        assert_eq!(found(1), ["1.2.840.7", "a", "c.tmp", "d", "e"]);
        let films = FilmFiles::find(folder.path(), 0).unwrap();
        assert_eq!(films.of("a"), Some(&folder.path().join("a.DCM")));
        assert_eq!(films.of_name("d.png"), Some(&folder.path().join("d.JPG")));
        assert_eq!(films.of_name("c"), None);
        assert!(films.twice().is_some());
        let missing = films.of_or("f", Path::new("x"), "dcm");
        assert_eq!(missing, Path::new("x/f.dcm"));
    }
}
