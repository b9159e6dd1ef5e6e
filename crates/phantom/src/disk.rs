//! A phantom on disk: what is asked for, whose folder it is, films in parallel, tables last.

use mflag_core::Named;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mflag_core::atomic;
use mflag_core::progress::Progress;
use rayon::prelude::*;
use serde::Serialize;

use super::Case;
use super::cohort::Study;
use super::finding::Kind;
use super::layout::{self, Layout};
use super::object::Object;
use super::recipe::Plan;
use super::render::Located;
use mflag_store::{Error, Result, Split};

/// The file that tells which phantom a folder holds; written first.
const MARKER: &str = "phantom.json";
/// The file with the findings' places; written last, so a folder that has it is complete.
const PLACES: &str = "phantom.jsonl";
/// Changes with anything that changes the bytes of a phantom.
const FORMAT: u32 = 1;

/// What phantom to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// The data set whose layout it takes.
    #[serde(skip_serializing_if = "Layout::is_mimic")]
    pub layout: Layout,
    /// Frontal films, at least 1; in some layouts, studies may have a lateral film as well.
    pub films: usize,
    /// The same seed gives the same bytes, on any number of threads.
    pub seed: u64,
    /// Pixels of a film's longest side, in [`Layout::sides`].
    pub side: u32,
    /// Part of the patients for validation, in [0, 1); 0 where the layout does not tell it ([`Layout::splits`]).
    pub validate: f64,
    /// Part of the patients for testing, in [0, 1); with `validate` less than 1; 0 where the layout does not tell it.
    pub test: f64,
}

impl Options {
    /// 1000 films, a tenth of the patients for each split that the layout tells.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let part = |split| {
            if layout.splits().contains(&split) {
                0.1
            } else {
                0.0
            }
        };
        Self {
            layout,
            films: 1000,
            seed: 0,
            side: layout.side(),
            validate: part(Split::Validate),
            test: part(Split::Test),
        }
    }

    fn check(&self) -> Result<()> {
        let fraction = |f: f64| (0.0..1.0).contains(&f);
        let Self {
            layout,
            films,
            side,
            validate,
            test,
            ..
        } = self;
        let (least, most) = layout.sides().into_inner();
        let untold = [(Split::Validate, validate), (Split::Test, test)]
            .into_iter()
            .find(|(split, part)| **part != 0.0 && !layout.splits().contains(split));
        let fault = if !(1..=5_000_000).contains(films) {
            format!("films is {films}; choose 1 to 5000000")
        } else if !layout.sides().contains(side) && least == most {
            format!("side is {side}; all films of {layout} have {most} pixels")
        } else if !layout.sides().contains(side) {
            format!("side is {side}; choose {least} to {most} pixels")
        } else if let Some((split, part)) = untold {
            let name = split.name();
            format!(
                "{name} is {part}; choose 0, as no file of {layout} tells a {name} part: its reader draws one"
            )
        } else if !fraction(*validate) || !fraction(*test) || !fraction(validate + test) {
            format!(
                "validate is {validate} and test {test}; choose fractions from 0 whose sum is below 1"
            )
        } else {
            return Ok(());
        };
        Err(Error::Data(format!("phantom: {fault}")))
    }

    /// The part of the data set that a study belongs to.
    pub(super) fn split(&self, study: &Study) -> Split {
        if study.place < self.test {
            Split::Test
        } else if study.place < self.test + self.validate {
            Split::Validate
        } else {
            Split::Train
        }
    }
}

/// What a phantom holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Patients.
    pub patients: usize,
    /// Frontal films, each a study.
    pub films: usize,
    /// Lateral films.
    pub laterals: usize,
    /// Frontal films without any finding, devices included.
    pub normal: usize,
    /// Frontal films by part, in the order of [`Split::ALL`]; what the layout does not tell apart counts as training.
    pub splits: [usize; 3],
    /// Frontal films that show each kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// Frontal films with foreign objects.
    pub objects: usize,
}

impl Summary {
    fn of(options: &Options) -> Self {
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
            summary.laterals += usize::from(plan.study.lateral);
            summary.normal += usize::from(plan.findings.is_empty());
            summary.objects += usize::from(plan.objects);
            summary.splits[options.split(&plan.study) as usize] += 1;
            let kinds: BTreeSet<Kind> = plan.findings.iter().map(|f| f.kind).collect();
            for kind in kinds {
                *summary.kinds.entry(kind).or_default() += 1;
            }
        }
        summary.patients = patients.len();
        summary
    }
}

/// One study of a phantom on disk, as a line of `phantom.jsonl`.
#[derive(Serialize)]
pub(super) struct Entry<F> {
    #[serde(skip)]
    pub(super) study: Study,
    index: u64,
    /// What the layout has written of it: its names and split, and what its tables need besides.
    #[serde(flatten)]
    pub(super) film: F,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) findings: Vec<Located>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Located<Object>>,
}

/// Writes the phantom into `out`, on rayon's current threads: films and tables as the layout has them, and `phantom.jsonl`
/// with the place of each finding, a film a line. A folder that a killed run has left is completed; a complete one is left
/// as it is.
///
/// # Errors
/// If an option is out of range, `out` holds something else than this phantom, or a file cannot be written.
pub fn write(out: &Path, options: &Options) -> Result<Summary> {
    options.check()?;
    let summary = Summary::of(options);
    claim(out, options)?;
    if out.join(PLACES).exists() {
        tracing::info!("{}: this phantom is there already", out.display());
        return Ok(summary);
    }
    match options.layout {
        Layout::Mimic => fill(out, options, layout::mimic::film, layout::mimic::tables),
        Layout::Chexpert => fill(
            out,
            options,
            layout::chexpert::film,
            layout::chexpert::tables,
        ),
        Layout::Nih => fill(out, options, layout::nih::film, layout::nih::tables),
        Layout::Rsna => fill(out, options, layout::rsna::film, layout::rsna::tables),
        Layout::Siim => fill(out, options, layout::siim::film, layout::siim::tables),
        Layout::ObjectCxr => fill(
            out,
            options,
            layout::object_cxr::film,
            layout::object_cxr::tables,
        ),
        Layout::Manifest => fill(
            out,
            options,
            layout::manifest::film,
            layout::manifest::tables,
        ),
    }?;
    Ok(summary)
}

/// Writes the films, then the tables, then the places. Films are written plainly: no reader sees any without the tables, and
/// a run that goes on writes all of them again.
fn fill<F: Serialize + Send>(
    out: &Path,
    options: &Options,
    film: fn(&Path, &Options, &Case) -> Result<F>,
    tables: fn(&Path, &[Entry<F>]) -> Result<()>,
) -> Result<()> {
    let progress = Progress::new("phantom", options.films as u64, "films");
    let entry = |index| {
        let case = Case::new(options.layout, options.seed, index, options.side);
        let entry = Entry {
            index,
            film: film(out, options, &case)?,
            width: case.film.width,
            height: case.film.height,
            findings: without_masks(case.findings),
            objects: without_masks(case.objects),
            study: case.study,
        };
        progress.inc(1);
        Ok(entry)
    };
    let indices = (0..options.films as u64).into_par_iter();
    let entries: Vec<Entry<F>> = indices.map(entry).collect::<Result<_>>()?;
    tables(out, &entries)?;
    atomic::write(&out.join(PLACES), |file| {
        for entry in &entries {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

/// What is kept of a film until the tables are written must be small.
fn without_masks<T>(mut located: Vec<Located<T>>) -> Vec<Located<T>> {
    for located in &mut located {
        located.mask = Vec::new();
    }
    located
}

#[derive(Serialize)]
struct Marker<'a> {
    format: u32,
    #[serde(flatten)]
    options: &'a Options,
}

/// Makes `out` this phantom's folder, or makes sure that it is.
fn claim(out: &Path, options: &Options) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    let path = out.join(MARKER);
    let marker = serde_json::to_string_pretty(&Marker {
        format: FORMAT,
        options,
    })
    .map_err(|e| Error::file(&path, e.to_string()))?;
    match std::fs::read_to_string(&path) {
        Ok(there) if there.trim_end() == marker => return Ok(()),
        Ok(there) => {
            let reason = format!(
                "the folder holds another phantom, {}; choose another folder or remove this one",
                there.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            return Err(Error::file(out, reason));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("read", &path, e)),
    }
    let entries = std::fs::read_dir(out).map_err(|e| Error::io("read", out, e))?;
    // Hidden files do not count: a run killed at its very start leaves one.
    if entries
        .flatten()
        .any(|e| !e.file_name().as_encoded_bytes().starts_with(b"."))
    {
        return Err(Error::file(
            out,
            "the folder is not empty and holds no phantom; choose another folder",
        ));
    }
    Ok(atomic::write(&path, |f| writeln!(f, "{marker}"))?)
}
