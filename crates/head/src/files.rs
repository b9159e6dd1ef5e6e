//! The film files that a user names.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Endings of film files in a folder; a file that is named itself may have any.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "png", "dcm", "dicom"];

/// Whether files with this ending (without its dot) are films.
fn is_film_ending(ending: &str) -> bool {
    ENDINGS.iter().any(|e| e.eq_ignore_ascii_case(ending))
}

/// A film file.
#[derive(Debug, Clone)]
pub(crate) struct FilmFile {
    pub(crate) path: PathBuf,
    /// What files that are written of it are called, without an ending; no two films have the same.
    pub(crate) name: String,
}

/// The film files among `paths`: files themselves, of folders all that lie in or below them, and the same of what a pattern such as
/// `films/*.dcm` matches; each of them by name.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<FilmFile>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        let mut visited = HashSet::new();
        for path in matches(path)? {
            collect(&path, &mut files, &mut visited)?;
        }
        files[before..].sort_unstable();
        if files.len() == before {
            let reason = format!(
                "has no films ({})",
                ENDINGS.map(|e| format!("*.{e}")).join(", ")
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok(named(files))
}

/// Where films would have the same name (`a.png` and `a.jpg`), the second gets `-2`, and so on.
pub(crate) fn named(files: Vec<PathBuf>) -> Vec<FilmFile> {
    let mut taken = HashSet::new();
    let name = |path: PathBuf| {
        let bare = name_of(&path.to_string_lossy());
        let numbered = (2..).map(|number| format!("{bare}-{number}"));
        let mut names = std::iter::once(bare.clone()).chain(numbered);
        let name = names.find(|name| taken.insert(name.clone()));
        let name = name.unwrap_or_default();
        FilmFile { path, name }
    };
    files.into_iter().map(name).collect()
}

/// The name of a film as that of a file: what separates folders becomes `_`, the ending of a film file goes.
fn name_of(film: &str) -> String {
    let (stem, ending) = film.rsplit_once('.').unwrap_or((film, ""));
    // Identifiers have dots, too.
    let bare = if is_film_ending(ending) { stem } else { film };
    let parts = Path::new(bare).components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("_")
}

/// What a pattern matches; a path that is there, or without `*`, `?` and `[`, is no pattern.
fn matches(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = match path.to_str() {
        Some(text) if text.contains(['*', '?', '[']) && !path.exists() => text,
        _ => return Ok(vec![path.to_owned()]),
    };
    let wrong = |e: glob::PatternError| Error::file(path, format!("is no pattern: {e}"));
    let matched: Vec<PathBuf> = glob::glob(pattern)
        .map_err(wrong)?
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

/// Adds a file or what lies below a folder; of links that lead back to a folder already `visited` nothing.
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
        let ending = path.extension().and_then(|e| e.to_str());
        if ending.is_some_and(is_film_ending) || path.is_dir() {
            collect(&path, files, visited)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_films_become_names_of_files() {
        let names = [
            ("1.2.840.113", "1.2.840.113"),
            ("/a/b.dcm", "a_b"),
            ("../c/d.e.JPG", "c_d.e"),
        ];
        for (film, file) in names {
            assert_eq!(name_of(film), file);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_back_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.png"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let found = find(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn no_two_films_have_the_same_name() {
        let files = ["x/a.png", "x/a.jpg", "x_a.dcm", "x/a-2.png", "x/b.png"];
        let names = named(files.map(PathBuf::from).into());
        let names: Vec<&str> = names.iter().map(|f| &*f.name).collect();
        assert_eq!(names, ["x_a", "x_a-2", "x_a-3", "x_a-2-2", "x_b"]);
    }
}
