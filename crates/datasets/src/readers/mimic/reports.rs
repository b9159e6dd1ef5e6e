//! The reports of MIMIC-CXR: where they are, and their text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use encoding_rs::WINDOWS_1252;
use mflag_core::progress::Progress;
use mflag_input::REPORT;
use mflag_store::{Error, Record, Result};
use rayon::prelude::*;

use crate::left_out::LOST_LETTERS;
use crate::reader::Text;
use crate::report_text::TextRules;

/// The report's file is not UTF-8.
const NOT_UTF8: &str = "report that is not UTF-8, read as Windows-1252";

/// The folder of the reports.
pub(super) struct Reports<'a> {
    /// The folder of the films.
    root: &'a Path,
    folder: PathBuf,
}

/// A report whose file exists.
pub(super) enum Report {
    /// It has text.
    Text {
        /// Its cleaned text.
        text: String,
        /// Remarks about how it was read.
        notes: Vec<&'static str>,
    },
    /// It has fewer than three words of findings or impression.
    Empty,
}

impl<'a> Reports<'a> {
    /// Looks for the reports in the folder `chosen`, or else in `mimic-cxr-reports` in the root, or
    /// else in the root itself.
    pub(super) fn find(root: &'a Path, chosen: Option<&Path>) -> Result<Reports<'a>> {
        let folder = match chosen {
            Some(folder) if folder.join("files").is_dir() => folder.to_owned(),
            Some(folder) => {
                let reason = "this folder has no folder 'files' with the reports; unpack \
                              mimic-cxr-reports.zip, and give the folder that holds 'files'";
                return Err(Error::file(folder, reason));
            }
            None => {
                let inside = root.join("mimic-cxr-reports");
                let exists = inside.is_dir();
                if exists { inside } else { root.to_owned() }
            }
        };
        Ok(Reports { root, folder })
    }

    /// Where a report is expected.
    pub(super) fn pattern(&self) -> PathBuf {
        self.folder.join("files/p10/p1xxxxxxx/sxxxxxxxx.txt")
    }

    /// Reads the reports of the films, by study. A study whose report file is missing has no entry.
    pub(super) fn read(
        &self,
        films: &[Record],
        text: Text,
        rules: TextRules,
    ) -> Result<HashMap<String, Report>> {
        if text == Text::Optional && !self.folder.join("files").is_dir() {
            return Ok(HashMap::new());
        }
        let studies: HashMap<&str, &Record> = films
            .iter()
            .map(|film| (film.study.as_str(), film))
            .collect();
        let progress = Progress::new("reports", studies.len() as u64, "studies");
        let read = |(study, film): (&str, &Record)| {
            let report = self.read_study(film, rules);
            progress.inc(1);
            report
                .map(|report| Some((study.to_owned(), report?)))
                .transpose()
        };
        let reports = studies.into_par_iter().filter_map(read).collect();
        progress.finish();
        reports
    }

    /// Reads the report of a film's study. `None` if its file does not exist.
    fn read_study(&self, film: &Record, rules: TextRules) -> Result<Option<Report>> {
        // The films of a study are in the folder `files/p10/p10000032/s50414267` of the root. Their
        // report is the file `files/p10/p10000032/s50414267.txt` of the reports.
        let study = film.path.parent().unwrap_or(self.root);
        let study = study.strip_prefix(self.root).unwrap_or(study);
        let path = self.folder.join(study).with_extension("txt");
        read_report(&path, rules).map_err(|e| {
            tracing::debug!("cannot read {}: {e}", path.display());
            let reason = format!("cannot read a report ({e}); -v names it");
            Error::file(&self.folder, reason)
        })
    }
}

/// Reads and cleans a report. `None` if the file does not exist. A file that is not UTF-8 is taken
/// for Windows-1252, of which Latin-1 is a part.
fn read_report(path: &Path, rules: TextRules) -> io::Result<Option<Report>> {
    let raw = match mflag_input::read(path, &REPORT) {
        Ok(raw) => raw,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            tracing::debug!("no report {}", path.display());
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let (raw, is_utf8) = match std::str::from_utf8(&raw) {
        Ok(raw) => (Cow::Borrowed(raw), true),
        Err(_) => (WINDOWS_1252.decode(&raw).0, false),
    };
    let Some(text) = rules.text_of(&raw) else {
        tracing::debug!("no findings or impression in {}", path.display());
        return Ok(Some(Report::Empty));
    };
    let remarks = [
        (!is_utf8, NOT_UTF8),
        (rules.loses_letters(&raw), LOST_LETTERS),
    ];
    let notes = remarks.into_iter().filter(|(applies, _)| *applies);
    let notes = notes.map(|(_, note)| note).collect();
    Ok(Some(Report::Text { text, notes }))
}
