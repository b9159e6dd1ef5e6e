//! A made-up data set in the layout of MIMIC-CXR-JPG.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use mflag_data::Dataset;
use mflag_data::mimic::{LABELS, Options, read};
use tempfile::TempDir;

/// A usual report, in short.
pub(crate) const REPORT: &str =
    "FINAL REPORT\n FINDINGS: The lungs are clear.\n \n IMPRESSION: No acute process.\n";

/// A data set's folder; the tables are gzipped when written.
pub(crate) struct Tree {
    dir: TempDir,
}

impl Tree {
    pub(crate) fn empty() -> Tree {
        Tree {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Films, one a study: `a` (PA, train), `b` (AP, validate), `c` (PA, test), all whole.
    pub(crate) fn new() -> Tree {
        let tree = Tree::empty();
        tree.metadata("a,10000001,50000001,PA\nb,10000001,50000002, AP \nc,11000002,50000003,PA\n");
        tree.split("a,train\nb,validate\nc,test\n");
        let labels = |study: u32, first: &str| format!("1,{study},{first}{}\n", ",".repeat(12));
        tree.labels(&[labels(50000001, "1.0,"), labels(50000002, "-1.0,0.0")].concat());
        for (film, patient, study) in [
            ("a", 10000001, 50000001),
            ("b", 10000001, 50000002),
            ("c", 11000002, 50000003),
        ] {
            tree.film(film, patient, study);
            tree.report(patient, study, REPORT);
        }
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn gz(&self, name: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        self.write(name, &encoder.finish().unwrap());
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn metadata(&self, rows: &str) {
        let head = "dicom_id,subject_id,study_id,ViewPosition\n";
        self.gz("mimic-cxr-2.0.0-metadata.csv.gz", &format!("{head}{rows}"));
    }

    pub(crate) fn split(&self, rows: &str) {
        self.gz(
            "mimic-cxr-2.0.0-split.csv.gz",
            &format!("dicom_id,split\n{rows}"),
        );
    }

    pub(crate) fn labels(&self, rows: &str) {
        let head = format!("subject_id,study_id,{}\n", LABELS.join(","));
        self.gz("mimic-cxr-2.0.0-chexpert.csv.gz", &format!("{head}{rows}"));
    }

    pub(crate) fn film(&self, film: &str, patient: u32, study: u32) {
        let group = patient / 1_000_000;
        self.write(
            &format!("files/p{group}/p{patient}/s{study}/{film}.jpg"),
            b"film",
        );
    }

    pub(crate) fn report(&self, patient: u32, study: u32, text: &str) {
        let group = patient / 1_000_000;
        let name = format!("mimic-cxr-reports/files/p{group}/p{patient}/s{study}.txt");
        self.write(&name, text.as_bytes());
    }

    pub(crate) fn read(&self) -> Dataset {
        read(self.root(), &Options::default()).unwrap()
    }

    pub(crate) fn message(&self) -> String {
        read(self.root(), &Options::default())
            .unwrap_err()
            .to_string()
    }
}
