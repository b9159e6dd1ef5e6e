//! What the phantom's folder holds about one study, and a summary of all studies.

use std::collections::{BTreeMap, BTreeSet};

use mflag_store::Split;
use serde::Serialize;

use crate::body::Object;
use crate::case::Case;
use crate::cohort::Study;
use crate::finding::Kind;
use crate::located::Located;
use crate::options::Options;
use crate::recipe::Plan;

/// One study whose films are written: what its line of `phantom.jsonl` and the layout's tables
/// need. `W` is [`Layout::Written`](crate::Layout::Written).
#[derive(Debug, Clone, Serialize)]
pub struct Entry<W> {
    /// Patient, identifiers and projection.
    #[serde(skip)]
    pub study: Study,
    /// Index of the frontal film in the phantom.
    pub index: u64,
    /// What the layout keeps about the study. `phantom.jsonl` has its fields, except those that
    /// serde skips.
    #[serde(flatten)]
    pub written: W,
    /// Columns of the frontal film.
    pub width: u32,
    /// Rows of the frontal film.
    pub height: u32,
    /// The findings, without their masks.
    pub findings: Vec<Located>,
    /// The foreign objects, without their masks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Located<Object>>,
}

impl<W> Entry<W> {
    /// Drops the film and the masks: the entries of all films are in memory at the same time.
    pub(crate) fn new(index: u64, case: Case, written: W) -> Self {
        Self {
            index,
            written,
            width: case.film.width,
            height: case.film.height,
            findings: without_masks(case.findings),
            objects: without_masks(case.objects),
            study: case.study,
        }
    }
}

fn without_masks<T>(located: Vec<Located<T>>) -> Vec<Located<T>> {
    located.into_iter().map(Located::without_mask).collect()
}

/// What a phantom holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Patients.
    pub patients: usize,
    /// Frontal films, one per study.
    pub films: usize,
    /// Lateral films.
    pub laterals: usize,
    /// Frontal films without any finding or device.
    pub normal: usize,
    /// Frontal films per split, in the order of [`Split::ALL`](mflag_core::Named::ALL). Splits that
    /// the layout's files do not have count as training.
    pub splits: [usize; 3],
    /// Frontal films that show each kind of finding.
    pub kinds: BTreeMap<Kind, usize>,
    /// Frontal films with foreign objects.
    pub objects: usize,
}

impl Summary {
    /// Counts the studies without drawing their films.
    pub(crate) fn new(options: &Options) -> Self {
        let mut summary = Self {
            patients: 0,
            films: options.films,
            laterals: 0,
            normal: 0,
            splits: [0; 3],
            kinds: BTreeMap::new(),
            objects: 0,
        };
        let mut patients = BTreeSet::new();
        for index in 0..options.films as u64 {
            let plan = Plan::new(options.layout, options.seed, index);
            patients.insert(plan.study.patient);
            summary.count(&plan, options.split(&plan.study));
        }
        summary.patients = patients.len();
        summary
    }

    fn count(&mut self, plan: &Plan, split: Split) {
        self.laterals += usize::from(plan.study.lateral);
        self.normal += usize::from(plan.findings.is_empty());
        self.objects += usize::from(plan.objects);
        self.splits[split as usize] += 1;
        let kinds: BTreeSet<Kind> = plan.findings.iter().map(|f| f.kind).collect();
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }
}
