//! The film files that a user names.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// File extensions by which films in a folder are found. A file that the user names may have any
/// extension.
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

/// Finds film files. Each of `paths` is a file, a folder whose films (in subfolders, too) are all
/// taken, or a pattern such as `films/*.dcm` that matches files and folders.
///
/// # Errors
/// If a folder cannot be read, or a path has no films.
pub fn find_films(paths: &[PathBuf]) -> Result<Vec<FilmFile>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        let mut visited = HashSet::new();
        for path in expand(path)? {
            collect(&path, &mut files, &mut visited)?;
        }
        files[before..].sort_unstable();
        if files.len() == before {
            let reason = format!(
                "has no films ({})",
                EXTENSIONS.map(|e| format!("*.{e}")).join(", ")
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok(named(files))
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

/// Adds a file, or the films below a folder. Folders in `visited` are skipped, so a link back to a
/// parent folder ends the search there.
fn collect(path: &Path, files: &mut Vec<PathBuf>, visited: &mut HashSet<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |e| mflag_core::Error::io("read", path, e);
    if !visited.insert(path.canonicalize().map_err(unreadable)?) {
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(is_film_extension) || path.is_dir() {
            collect(&path, files, visited)?;
        }
    }
    Ok(())
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
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn file_names_are_unique() {
        let files = ["x/a.png", "x/a.jpg", "x_a.dcm", "x/a-2.png", "x/b.png"];
        let names = named(files.map(PathBuf::from).into());
        let names: Vec<&str> = names.iter().map(|f| &*f.name).collect();
        assert_eq!(names, ["x_a", "x_a-2", "x_a-3", "x_a-2-2", "x_b"]);
    }
}
