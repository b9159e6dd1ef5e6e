//! A made-up data set in the layout of MIMIC-CXR-JPG.

use std::ops::Deref;

use mflag_datasets::Reader;
use mflag_datasets::readers::mimic::{LABELS, Mimic, Options};
use mflag_store::Dataset;

use crate::toy::{self, refusal};

/// A short report.
pub(crate) const REPORT: &str =
    "FINAL REPORT\n FINDINGS: The lungs are clear.\n \n IMPRESSION: No acute process.\n";

/// The folder of a data set. Its tables are gzipped.
pub(crate) struct Tree(toy::Tree);

impl Deref for Tree {
    type Target = toy::Tree;

    fn deref(&self) -> &toy::Tree {
        &self.0
    }
}

impl Tree {
    pub(crate) fn empty() -> Tree {
        Tree(toy::Tree::new())
    }

    /// Writes the films `a` (PA, train), `b` (AP, validate) and `c` (PA, test), each a study, with
    /// reports and labels.
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
        self.labels_of("chexpert", rows);
    }

    pub(crate) fn labels_of(&self, labeller: &str, rows: &str) {
        let head = format!("subject_id,study_id,{}\n", LABELS.join(","));
        let name = format!("mimic-cxr-2.0.0-{labeller}.csv.gz");
        self.gz(&name, &format!("{head}{rows}"));
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
        self.write(&name, text);
    }

    pub(crate) fn read(&self) -> Dataset {
        Mimic::read(self.root(), &Options::default()).unwrap()
    }

    pub(crate) fn message(&self) -> String {
        refusal(Mimic::read(self.root(), &Options::default()))
    }
}
