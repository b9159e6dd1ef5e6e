//! A film read for prediction has the same pixels as in training.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::PathBuf;

use mflag_encoder::Preprocess;
use mflag_film::{Depth, Fit, Limits, Squaring, ViewGeometry, Window};
use mflag_prepare::prepare::{Options, prepare};
use mflag_store::{Dataset, Record, Split};
use mflag_tests::golden;
use tch::{Device, Tensor};

/// JPEGs of several kinds, PNGs of 8 and 16 bits, DICOMs with and without compression and windows.
const FILMS: [&str; 14] = [
    "film/large.jpg",
    "film/large_colour.jpg",
    "film/large_progressive.jpg",
    "film/restart.jpg",
    "film/grey.jpg",
    "film/grey.png",
    "film/colour.png",
    "film/deep.png",
    "film_dicom/jpeg_8.dcm",
    "film_dicom/jpeg_lossless_12.dcm",
    "film_dicom/jpeg_2000_16.dcm",
    "film_dicom/plain_8.dcm",
    "film_dicom/sigmoid_14.dcm",
    "film_dicom/rle_16.dcm",
];

fn record(path: PathBuf) -> Record {
    let film = path.file_name().unwrap().to_string_lossy().into_owned();
    Record::new(&film, &film, path, Split::Train)
}

#[test]
fn a_film_read_for_prediction_equals_that_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset {
        name: "goldens".into(),
        labels: vec![],
        records: FILMS.iter().map(|name| record(golden(name))).collect(),
        left_out: vec![],
        notes: Vec::new(),
    };
    let percentile = Window::Percentile {
        low: 1.0,
        high: 98.0,
    };
    let mut number = 0;
    for window in [Window::Voi, Window::FullRange, percentile] {
        for (side, fit, depth) in [
            (24, Fit::Pad, Depth::Eight),
            (40, Fit::Crop, Depth::Sixteen),
            (24, Fit::Squeeze, Depth::Eight),
            (24, Fit::Official, Depth::Sixteen),
        ] {
            let squaring = Squaring {
                side,
                fit,
                window,
                depth,
                frame: None,
            };
            let options = Options {
                squaring,
                ..Options::default()
            };
            number += 1;
            let out = dir.path().join(number.to_string());
            let store = prepare(&dataset, &out, &options).unwrap();
            assert_eq!(store.records().len(), FILMS.len());
            // The whole square, which is not resized.
            let own = ViewGeometry::new(side, side, 16).unwrap();
            let preprocess = Preprocess::of_views(store.squaring(), own);
            // The encoder file stores the preprocessing as JSON.
            let text = serde_json::to_string(&preprocess).unwrap();
            let preprocess: Preprocess = serde_json::from_str(&text).unwrap();
            for (index, record) in store.records().iter().enumerate() {
                let stored = store.pixels(index);
                let read = preprocess.read(&record.path, &Limits::default()).unwrap();
                assert_eq!(read.pixels, *stored, "{} {squaring}", record.film);
                let bytes = std::fs::read(&record.path).unwrap();
                let decoded = preprocess.decode(&bytes, &Limits::default()).unwrap();
                assert_eq!(decoded, read);
                // A film that is already a square does not change.
                if fit != Fit::Official {
                    assert_eq!(preprocess.square.square_film(&read), read);
                }

                // The view of a resized square is that of the loader, in any depth.
                let view = ViewGeometry::new(side, 20, 16).unwrap();
                let resized = Preprocess::of_views(store.squaring(), view);
                let read = resized.read(&record.path, &Limits::default()).unwrap();
                assert_eq!((read.width, read.height), (20, 20));
                let batch = resized.batch(&[read], Device::Cpu).unwrap();
                let loaded = store.greys(index).view(view).pixels;
                let loaded = Tensor::from_slice(&loaded).view([1, 1, 16, 16]);
                assert_eq!(batch, resized.normalise(&loaded).unwrap());
            }
        }
    }
}
