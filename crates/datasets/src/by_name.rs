//! The readers by name.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;

use crate::reader;
use crate::readers::mimic::{self, Labeller, View};
use crate::readers::{chexpert, manifest, nih, object_cxr, rsna, siim, vindr};
use crate::split::Choice;
use mflag_store::{Dataset, Error, Result};

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

/// What becomes of films without a report text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Text {
    /// They are left out: usual for mimic
    Required,
    /// They stay: usual for manifest
    Optional,
}

/// What may be said beside the folder of a data set.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// How it is divided.
    #[command(flatten)]
    pub split: Choice,
    /// Table `film,split` with train, validate or test in place of a rule; films that it lacks are left out (all but manifest)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["split", "validate", "test"])]
    pub list: Option<PathBuf>,
    /// Folder of the reports, if they lie elsewhere (mimic)
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Films without a report text (mimic, manifest)
    #[arg(long, value_enum)]
    pub text: Option<Text>,
    /// Views to keep, joined by commas [default: pa,ap] (mimic)
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VIEWS")]
    pub views: Vec<View>,
    /// Whose labels (mimic)
    #[arg(long, value_enum, value_name = "LABELLER")]
    pub labels: Option<Labeller>,
    /// Folder of the films, if they lie elsewhere (siim)
    #[arg(long, value_name = "DIR")]
    pub films: Option<PathBuf>,
    /// Keep only as many training films without a mask as there are with one (siim)
    #[arg(long)]
    pub balance: bool,
    /// Radiologists who must have found what counts as present; less is uncertain [default: 2] (vindr)
    #[arg(long, value_name = "NUMBER")]
    pub agree: Option<usize>,
    /// Name of the data set: patients are compared within data sets of one name [default: manifest] (manifest)
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub name: Option<String>,
}

impl Options {
    /// Flags that were given although this layout has no use for them.
    fn useless(&self, layout: Layout) -> Vec<&'static str> {
        use Layout::{Manifest, Mimic, Siim, Vindr};
        let only = |layouts: &[Layout]| layouts.contains(&layout);
        let given = [
            ("--list", self.list.is_some(), layout != Manifest),
            ("--reports", self.reports.is_some(), only(&[Mimic])),
            ("--text", self.text.is_some(), only(&[Mimic, Manifest])),
            ("--views", !self.views.is_empty(), only(&[Mimic])),
            ("--labels", self.labels.is_some(), only(&[Mimic])),
            ("--films", self.films.is_some(), only(&[Siim])),
            ("--balance", self.balance, only(&[Siim])),
            ("--agree", self.agree.is_some(), only(&[Vindr])),
            ("--name", self.name.is_some(), only(&[Manifest])),
        ];
        let useless = given.iter().filter(|(_, given, used)| *given && !used);
        useless.map(|(flag, ..)| *flag).collect()
    }
}

/// Reads the data set in `root` (for a manifest: its folder or the file itself).
///
/// # Errors
/// Those of the reader; an option that the layout has no use for; a list of splits that is not as described, or has none of
/// the films.
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
    let mut data = read_layout(layout, root, options)?;
    if let Some(list) = &options.list {
        data = reader::listed(data, list)?;
    }
    if options.balance {
        data = siim::balance(data, options.split.seed.unwrap_or(0));
    }
    Ok(data)
}

fn read_layout(layout: Layout, root: &Path, options: &Options) -> Result<Dataset> {
    let split = options.split;
    let options = options.clone();
    match layout {
        Layout::Mimic => {
            let usual = mimic::Options::default();
            let views = match options.views {
                views if views.is_empty() => usual.views,
                views => views,
            };
            let options = mimic::Options {
                reports: options.reports,
                views,
                labels: options.labels,
                require_text: options.text != Some(Text::Optional),
                split,
            };
            mimic::read(root, &options)
        }
        Layout::Chexpert => chexpert::read(root, &chexpert::Options { split }),
        Layout::Nih => nih::read(root, &nih::Options { split }),
        Layout::Rsna => rsna::read(root, &rsna::Options { split }),
        Layout::Siim => {
            let films = options.films;
            siim::read(root, &siim::Options { films, split })
        }
        Layout::ObjectCxr => object_cxr::read(root, &object_cxr::Options { split }),
        Layout::Vindr => {
            let agree = options.agree.unwrap_or(vindr::Options::default().agree);
            vindr::read(root, &vindr::Options { split, agree })
        }
        Layout::Manifest => {
            let options = manifest::Options {
                name: options.name.unwrap_or(manifest::Options::default().name),
                require_text: options.text == Some(Text::Required),
                split,
            };
            manifest::read(root, &options)
        }
    }
}
