//! The film files that a user names.

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use mflag_film::Format;

use crate::error::{Error, Result};

/// Extensions of film files. They are left out of the names of written files. In a folder, a file
/// with one of them counts as a film even if its content is damaged.
const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "dcm", "dicom"];

/// Whether files with this extension (without dot) are films.
fn is_film_extension(extension: &str) -> bool {
    EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

/// A film file.
#[derive(Debug, Clone)]
pub struct FilmFile {
    /// The file.
    pub path: PathBuf,
    /// The name of files written for this film, without extension. It is unique among the films.
    pub name: String,
}

/// The film files that were found, and what lies beside them.
#[derive(Debug, Clone)]
pub struct FoundFilms {
    /// The films, in order.
    pub films: Vec<FilmFile>,
    /// The number of files of each kind that lie in the folders and are no films, such as text. A
    /// DICOMDIR, which only lists films, is not counted.
    pub passed_over: BTreeMap<&'static str, usize>,
}

impl FoundFilms {
    /// The kinds of the files that were passed over with their numbers, such as `1 PDF, 2 text`.
    pub fn kinds_passed_over(&self) -> String {
        list(&self.passed_over)
    }
}

/// Finds film files. Each of `paths` is a file, a folder whose films (in subfolders, too) are all
/// taken, or a pattern such as `films/*.dcm` that matches files and folders. In a folder, a film is
/// what its first bytes say, whatever its name.
///
/// # Errors
/// If a folder cannot be read, or a path has no films.
pub fn find_films(paths: &[PathBuf]) -> Result<FoundFilms> {
    let mut search = Search::default();
    for path in paths {
        let before = search.files.len();
        search.visited.clear();
        for path in expand(path)? {
            search.add(&path)?;
        }
        search.files[before..].sort_unstable();
        if search.files.len() == before {
            let mut reason = "has no films: no file is JPEG, PNG or DICOM".to_owned();
            if !search.passed_over.is_empty() {
                reason += &format!(" (passed over: {})", list(&search.passed_over));
            }
            return Err(Error::file(path, reason));
        }
    }
    Ok(FoundFilms {
        films: named(search.files),
        passed_over: search.passed_over,
    })
}

/// Kinds with their numbers, such as `2 text, 1 PDF`.
fn list(kinds: &BTreeMap<&'static str, usize>) -> String {
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    kinds.join(", ")
}

/// Names films. Where two would have the same name (`a.png` and `a.jpg`), the second gets `-2`, and
/// so on.
pub(crate) fn named(files: Vec<PathBuf>) -> Vec<FilmFile> {
    let mut taken = HashSet::new();
    let name = |path: PathBuf| {
        let bare = file_name(&path.to_string_lossy());
        let numbered = (2..).map(|number| format!("{bare}-{number}"));
        let mut names = std::iter::once(bare.clone()).chain(numbered);
        let name = names.find(|name| taken.insert(name.clone()));
        let name = name.unwrap_or_default();
        FilmFile { path, name }
    };
    files.into_iter().map(name).collect()
}

/// Makes a file name of a film's path or identifier: folders are joined by `_`, and the extension
/// of a film file is removed.
fn file_name(film: &str) -> String {
    let (stem, extension) = film.rsplit_once('.').unwrap_or((film, ""));
    // Identifiers contain dots, too.
    let bare = if is_film_extension(extension) {
        stem
    } else {
        film
    };
    let parts = Path::new(bare).components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("_")
}

/// The paths that a pattern matches. A path is a pattern if it has `*`, `?` or `[` and does not
/// exist.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = match path.to_str() {
        Some(text) if text.contains(['*', '?', '[']) && !path.exists() => text,
        _ => return Ok(vec![path.to_owned()]),
    };
    let invalid = |e: glob::PatternError| Error::file(path, format!("is not a valid pattern: {e}"));
    let matched: Vec<PathBuf> = glob::glob(pattern)
        .map_err(invalid)?
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| {
            let path = e.path().to_path_buf();
            mflag_core::Error::io("read", path, e.into())
        })?;
    if matched.is_empty() {
        return Err(Error::file(path, "matches nothing"));
    }
    Ok(matched)
}

/// A search in folders.
#[derive(Default)]
struct Search {
    files: Vec<PathBuf>,
    passed_over: BTreeMap<&'static str, usize>,
    /// Folders that were searched. They are skipped, so a link back to a parent folder ends the
    /// search there.
    visited: HashSet<PathBuf>,
}

impl Search {
    /// Adds a file that was named, or the films below a folder.
    fn add(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            self.files.push(path.to_owned());
            return Ok(());
        }
        let unreadable = |e| mflag_core::Error::io("read", path, e);
        if !self
            .visited
            .insert(path.canonicalize().map_err(unreadable)?)
        {
            return Ok(());
        }
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                self.add(&path)?;
            } else {
                self.add_from_folder(path);
            }
        }
        Ok(())
    }

    /// Adds a file of a folder if it is a film by its first bytes or by its extension.
    fn add_from_folder(&mut self, path: PathBuf) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let kind = if extension.is_some_and(is_film_extension) {
            None
        } else if !path.is_file() {
            // Reading a pipe or a device may never end.
            Some("no regular file")
        } else if path
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
        {
            return;
        } else {
            match Format::of_file(&path) {
                Ok(Format::DicomIndex) => return,
                Ok(Format::Other(kind)) => Some(kind),
                Ok(_) => None,
                Err(_) => Some("unreadable file"),
            }
        };
        match kind {
            Some(kind) => *self.passed_over.entry(kind).or_default() += 1,
            None => self.files.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_made_from_paths_and_identifiers() {
        let names = [
            ("1.2.840.113", "1.2.840.113"),
            ("/a/b.dcm", "a_b"),
            ("../c/d.e.JPG", "c_d.e"),
        ];
        for (film, expected) in names {
            assert_eq!(file_name(film), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_parent_folder_is_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.png"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let found = find_films(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found.films.len(), 1, "{found:?}");
    }

    /// The export of a CD: films without extension beside a viewer, with a DICOMDIR.
    #[test]
    fn first_bytes_decide_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let dicom = [&[0; 128][..], b"DICM"].concat();
        write("DICOMDIR", &dicom);
        write("DICOM/IM01", &dicom);
        write(
            "DICOM/1.2.840.113",
            b"\x08\0\x05\0CS\x02\0AB\x08\0\x16\0UI\x02\x001.",
        );
        write("scan.dat", b"\xff\xd8\xff");
        write("damaged.dcm", b"");
        write("autorun.inf", b"[autorun]");
        write("readme", b"text");
        write("viewer.exe", b"MZ");
        write("empty", b"");
        let found = find_films(&[dir.path().to_owned()]).unwrap();
        let mut names: Vec<String> = found
            .films
            .iter()
            .map(|film| {
                film.path
                    .strip_prefix(dir.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["DICOM/1.2.840.113", "DICOM/IM01", "damaged.dcm", "scan.dat"]
        );
        assert_eq!(
            found.kinds_passed_over(),
            "1 Windows program, 1 empty file, 2 text"
        );
        // A file that the user names is taken, whatever it is.
        let named = find_films(&[dir.path().join("readme")]).unwrap();
        assert_eq!(named.films.len(), 1);
    }

    #[test]
    fn a_folder_without_films_is_refused_with_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("report.pdf"), "%PDF-1.7").unwrap();
        let error = find_films(&[dir.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no file is JPEG, PNG or DICOM (passed over: 1 PDF)"),
            "{error}"
        );
    }

    #[test]
    fn file_names_are_unique() {
        let files = ["x/a.png", "x/a.jpg", "x_a.dcm", "x/a-2.png", "x/b.png"];
        let names = named(files.map(PathBuf::from).into());
        let names: Vec<&str> = names.iter().map(|f| &*f.name).collect();
        assert_eq!(names, ["x_a", "x_a-2", "x_a-3", "x_a-2-2", "x_b"]);
    }
}
