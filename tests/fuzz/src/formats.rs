//! The formats: how a folder with good files is made, and what reads it.

#[path = "../../../crates/report/tests/report/folders.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "test code")]
mod run_folders;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use mflag_core::config;
use mflag_datasets::Reader;
use mflag_datasets::readers::{chexpert, manifest, mimic, nih, object_cxr, rsna, siim};
use mflag_datasets::report_text::{Headings, NonAscii, TextRules};
use mflag_encoder::text::{Embedded, Pooling, TextEncoder};
use mflag_film::{Fit, Limits, Squaring, decode_mask};
use mflag_phantom::{LAYOUTS, Options};
use mflag_pretrain::config::PretrainConfig;
use mflag_pretrain::text_cache::TextCache;
use mflag_store::{Store, mask};
use tch::Device;

/// What reading a file comes to. An error is a good answer to a bad file.
pub type Answer = Result<(), Box<dyn Error>>;

/// The files that were made, or why they could not be.
pub type Filled = Result<Vec<PathBuf>, Box<dyn Error>>;

/// A format of files.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// Fills an empty folder with good files, and returns those to mutate.
    pub fill: fn(&Path) -> Filled,
    /// Reads the folder. The second path is the file that was mutated.
    pub read: fn(&Path, &Path) -> Answer,
}

/// All formats.
pub const FORMATS: [Format; 9] = [
    Format {
        name: "films",
        fill: films,
        read: read_film,
    },
    Format {
        name: "tables",
        fill: tables,
        read: read_tables,
    },
    Format {
        name: "reports",
        fill: reports,
        read: read_report,
    },
    Format {
        name: "stores",
        fill: store,
        read: read_store,
    },
    Format {
        name: "text-caches",
        fill: text_cache,
        read: read_text_cache,
    },
    Format {
        name: "weights",
        fill: weights,
        read: read_weights,
    },
    Format {
        name: "text-models",
        fill: text_model,
        read: read_text_model,
    },
    Format {
        name: "configurations",
        fill: configurations,
        read: read_configuration,
    },
    Format {
        name: "runs",
        fill: runs,
        read: read_runs,
    },
];

fn golden(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../golden")).join(path)
}

/// Copies the files that match a pattern. Names may repeat: each copy gets a number.
fn copy(pattern: &Path, folder: &Path) -> Filled {
    let mut copies = Vec::new();
    for (number, file) in glob::glob(&pattern.to_string_lossy())?.enumerate() {
        let file = file?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let copy = folder.join(format!("{number:03}-{name}"));
        fs::copy(&file, &copy)?;
        copies.push(copy);
    }
    Ok(copies)
}

fn films(folder: &Path) -> Filled {
    let mut films = Vec::new();
    for ending in ["png", "jpg"] {
        films.extend(copy(&golden("film").join(format!("*.{ending}")), folder)?);
    }
    for kind in ["film_dicom", "film_odd"] {
        films.extend(copy(&golden(kind).join("*.dcm"), folder)?);
    }
    Ok(films)
}

fn read_film(_: &Path, film: &Path) -> Answer {
    let limits = Limits {
        side: 4096,
        bytes: 64 << 20,
    };
    let stored = decode_mask(film, &limits);
    Squaring::new(32, Fit::Pad).read(film, &limits)?;
    stored?;
    Ok(())
}

/// Phantoms of three films, one folder for each layout.
fn tables(folder: &Path) -> Filled {
    let mut tables = Vec::new();
    for &layout in LAYOUTS {
        let root = folder.join(layout.name());
        let options = Options {
            films: 3,
            side: *layout.sides().start(),
            ..Options::new(layout)
        };
        mflag_phantom::write(&root, &options)?;
        for ending in ["csv", "csv.gz", "txt"] {
            let pattern = root.join("**").join(format!("*.{ending}"));
            for table in glob::glob(&pattern.to_string_lossy())? {
                tables.push(table?);
            }
        }
    }
    Ok(tables)
}

fn read_tables(folder: &Path, table: &Path) -> Answer {
    let layout = table
        .strip_prefix(folder)?
        .iter()
        .next()
        .unwrap_or_default();
    let root = folder.join(layout);
    let data = match layout.to_string_lossy().as_ref() {
        "mimic" => mimic::Mimic::read(&root, &mimic::Options::default())?,
        "chexpert" => chexpert::Chexpert::read(&root, &chexpert::Options::default())?,
        "nih" => nih::Nih::read(&root, &nih::Options::default())?,
        "rsna" => rsna::Rsna::read(&root, &rsna::Options::default())?,
        "siim" => siim::Siim::read(&root, &siim::Options::default())?,
        "object-cxr" => object_cxr::ObjectCxr::read(&root, &object_cxr::Options::default())?,
        "manifest" => manifest::Manifest::read(&root, &manifest::Options::default())?,
        other => return Err(format!("the layout {other} has no reader here").into()),
    };
    for record in data.records.iter().filter(|record| record.mask.is_some()) {
        if let (Some(mask), Some([width, height])) = (&record.mask, record.size) {
            let _ = mask::to_pixels(mask, width, height);
        }
    }
    Ok(())
}

fn reports(folder: &Path) -> Filled {
    let texts = [
        "FINAL REPORT\n FINDINGS: Nodule of 2.5 cm in ___. Stable.\n IMPRESSION:\n 1. Known.\n",
        "Indication: cough. Findings: no effusion; heart normal. Impression: normal chest.\n",
        "HISTORY: Mr. Müller, 54 y/o.\n\nCOMPARISON: none\n\nFINDINGS:\n1. a\n2. b\n",
    ];
    let mut files = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let file = folder.join(format!("{number}.txt"));
        fs::write(&file, text)?;
        files.push(file);
    }
    Ok(files)
}

fn read_report(_: &Path, report: &Path) -> Answer {
    let raw = String::from_utf8_lossy(&fs::read(report)?).into_owned();
    for headings in [Headings::Capitals, Headings::Any] {
        for non_ascii in [NonAscii::Fold, NonAscii::Drop] {
            let rules = TextRules {
                headings,
                non_ascii,
            };
            let cleaned = rules.clean(&raw).ok_or("no text is left")?;
            assert!(
                cleaned.trim() == cleaned,
                "has spaces at an end: {cleaned:?}"
            );
        }
    }
    Ok(())
}

/// A store of four phantoms, with labels, boxes and masks.
fn store(folder: &Path) -> Filled {
    let raw = folder.join("raw");
    let layout = LAYOUTS.iter().find(|layout| layout.name() == "manifest");
    let options = Options {
        films: 4,
        side: 64,
        ..Options::new(*layout.ok_or("no layout manifest")?)
    };
    mflag_phantom::write(&raw, &options)?;
    let data = manifest::Manifest::read(&raw, &manifest::Options::default())?;
    let out = folder.join("store");
    let options = mflag_prepare::prepare::Options {
        squaring: Squaring::new(16, Fit::Pad),
        ..mflag_prepare::prepare::Options::default()
    };
    mflag_prepare::prepare::prepare(&data, &out, &options)?;
    Ok(["store.json", "films.jsonl", "shards/00000.npy"]
        .map(|name| out.join(name))
        .into())
}

fn read_store(folder: &Path, _: &Path) -> Answer {
    let store = Store::open(&folder.join("store"))?;
    for (index, record) in store.records().iter().enumerate() {
        let _ = store.pixels(index);
        if let (Some(mask), Some([width, height])) = (&record.mask, record.size) {
            let placement = store.squaring().placement([width, height])?;
            let _ = mask::to_pixels(mask, width, height).map(|film| film.pixels.len());
            let _ = placement.side();
        }
    }
    store.verify()?;
    Ok(())
}

fn text_cache(folder: &Path) -> Filled {
    let texts = ["one report".to_owned(), "another".to_owned()];
    let encode = |texts: &[String]| {
        Ok(Embedded {
            vectors: ndarray::Array2::from_elem((texts.len(), 3), 0.5),
            cut: vec![false; texts.len()],
        })
    };
    TextCache::open(folder, "model", 3)?.fill(&texts, encode)?;
    Ok(["00000.npy", "00000.keys"]
        .map(|name| folder.join("model").join(name))
        .into())
}

fn read_text_cache(folder: &Path, _: &Path) -> Answer {
    let cache = TextCache::open(folder, "model", 3)?;
    let rows: Vec<_> = ["one report", "another"]
        .iter()
        .filter_map(|text| cache.row(text))
        .collect();
    let _ = cache.into_vectors().gather(&rows)?;
    Ok(())
}

fn weights(folder: &Path) -> Filled {
    let mut files = Vec::new();
    for pattern in [
        "weights/*.pt",
        "weights/*.safetensors",
        "weights/*.pkl",
        "bert/tiny/model.*",
    ] {
        files.extend(copy(&golden(pattern), folder)?);
    }
    Ok(files)
}

fn read_weights(_: &Path, file: &Path) -> Answer {
    let metadata = mflag_weights::metadata(file);
    mflag_weights::read(file)?;
    drop(metadata);
    Ok(())
}

/// Two folders of the tiny BERT: with `tokenizer.json`, and with `vocab.txt`.
fn text_model(folder: &Path) -> Filled {
    let mut files = Vec::new();
    for (name, tokenizer) in [("json", "tokenizer.json"), ("vocab", "vocab.txt")] {
        let model = folder.join(name);
        fs::create_dir(&model)?;
        let more = ["config.json", "tokenizer_config.json"];
        for file in [tokenizer, "model.safetensors"].iter().chain(&more) {
            fs::copy(golden("bert/tiny").join(file), model.join(file))?;
        }
        files.extend([tokenizer].iter().chain(&more).map(|file| model.join(file)));
    }
    Ok(files)
}

fn read_text_model(_: &Path, file: &Path) -> Answer {
    let model = file.parent().unwrap_or(file);
    let encoder = TextEncoder::open(model, Pooling::Cls, 16, Device::Cpu)?;
    let texts = ["No pleural effusion.", "Größe 2 cm \u{1f600} ##ing", ""].map(str::to_owned);
    encoder.tokenize(&texts)?;
    Ok(())
}

fn configurations(folder: &Path) -> Filled {
    let configs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
    copy(&configs.join("**/*.yaml"), folder)
}

fn read_configuration(_: &Path, file: &Path) -> Answer {
    // A check against the schema takes a hundred times as long, so only some files get it.
    match fs::metadata(file)?.len().is_multiple_of(64) {
        true => drop(config::load::<PretrainConfig>(Some(file), &[])?),
        false => drop(config::stated(file, &[])?),
    }
    Ok(())
}

/// Folders of runs and of an experiment, as the tests of reports make them.
fn runs(folder: &Path) -> Filled {
    run_folders::pretraining(&folder.join("pretraining"));
    run_folders::head(&folder.join("head"), 0.8);
    run_folders::experiment(&folder.join("experiment"));
    let mut files = Vec::new();
    for file in glob::glob(&folder.join("**/*.*").to_string_lossy())? {
        files.extend(file.ok().filter(|file| file.is_file()));
    }
    Ok(files)
}

fn read_runs(folder: &Path, file: &Path) -> Answer {
    let run = file.strip_prefix(folder)?.iter().next().unwrap_or_default();
    let folders = [folder.join(run), folder.join("head")];
    mflag_report::html(&folders[..1], mflag_report::Options::default())?;
    mflag_report::html(&folders, mflag_report::Options { show_names: true })?;
    Ok(())
}
