//! The readers by name.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{Dataset, Error, Result};
use crate::{chexpert, manifest, mimic, nih, object_cxr, rsna, siim, vindr};

/// A layout on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR
    Mimic,
    /// CheXpert v1.0, full or -small
    Chexpert,
    /// NIH ChestX-ray14
    Nih,
    /// RSNA Pneumonia Detection Challenge
    Rsna,
    /// SIIM-ACR Pneumothorax Segmentation
    Siim,
    /// Object-CXR
    ObjectCxr,
    /// VinDr-CXR, as on Kaggle
    Vindr,
    /// Own films, listed in one CSV
    Manifest,
}

/// What may be said beside the folder of a data set.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Folder of the reports, if they lie elsewhere (mimic)
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Folder of the films, if they lie elsewhere (siim)
    #[arg(long, value_name = "DIR")]
    pub films: Option<PathBuf>,
    /// Table `patientId,split` in place of splits by hash (rsna)
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Chooses the patients of splits by hash (all but mimic)
    #[arg(long)]
    pub seed: Option<u64>,
}

impl Options {
    /// Flags that were given although this layout has no use for them.
    fn useless(&self, layout: Layout) -> Vec<&'static str> {
        let given = [
            ("--reports", self.reports.is_some(), layout == Layout::Mimic),
            ("--films", self.films.is_some(), layout == Layout::Siim),
            ("--list", self.list.is_some(), layout == Layout::Rsna),
            ("--seed", self.seed.is_some(), layout != Layout::Mimic),
        ];
        given
            .iter()
            .filter(|(_, given, used)| *given && !used)
            .map(|(flag, ..)| *flag)
            .collect()
    }
}

/// Reads the data set in `root` (for a manifest: its folder or the file itself).
///
/// # Errors
/// Those of the reader; an option that the layout has no use for.
pub fn read(layout: Layout, root: &Path, options: &Options) -> Result<Dataset> {
    let useless = options.useless(layout);
    if !useless.is_empty() {
        let name = layout
            .to_possible_value()
            .map_or(String::new(), |v| v.get_name().to_owned());
        return Err(Error::Data(format!(
            "{}: {name} has no use for it; leave it out",
            useless.join(", ")
        )));
    }
    let Options {
        reports,
        films,
        list,
        seed,
    } = options.clone();
    let seed = seed.unwrap_or(0);
    match layout {
        Layout::Mimic => mimic::read(
            root,
            &mimic::Options {
                reports,
                ..Default::default()
            },
        ),
        Layout::Chexpert => chexpert::read(
            root,
            &chexpert::Options {
                seed,
                ..Default::default()
            },
        ),
        Layout::Nih => nih::read(
            root,
            &nih::Options {
                seed,
                ..Default::default()
            },
        ),
        Layout::Rsna => rsna::read(
            root,
            &rsna::Options {
                seed,
                list,
                ..Default::default()
            },
        ),
        Layout::Siim => siim::read(
            root,
            &siim::Options {
                seed,
                films,
                ..Default::default()
            },
        ),
        Layout::ObjectCxr => {
            let mut options = object_cxr::Options::default();
            if let object_cxr::Protocol::Mgca { seed: chosen, .. } = &mut options.protocol {
                *chosen = seed;
            }
            object_cxr::read(root, &options)
        }
        Layout::Vindr => vindr::read(
            root,
            &vindr::Options {
                seed,
                ..Default::default()
            },
        ),
        Layout::Manifest => manifest::read(
            root,
            &manifest::Options {
                seed,
                ..Default::default()
            },
        ),
    }
}
