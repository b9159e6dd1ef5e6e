//! Detection against `COCOeval` of pycocotools, on all images and on those that MGCA counts. If
//! there are counts, `COCOeval` gets each image as often as the image counts.

use mflag_metrics::Counts;
use mflag_metrics::detection::{Image, MGCA_THRESHOLDS, Matches, Prediction, Protocol, Rect};
use serde_json::Value;

use crate::{counts, golden, list, numbers, same};

fn rect(values: &[f64]) -> Rect {
    Rect {
        x: values[0],
        y: values[1],
        width: values[2],
        height: values[3],
    }
}

fn image(value: &Value) -> Image {
    let predicted = |value: &Value| {
        let values = numbers(value);
        Prediction {
            place: rect(&values),
            score: values[4] as f32,
        }
    };
    Image {
        truth: list(&value["truth"], |v| rect(&numbers(v))),
        predicted: list(&value["predicted"], predicted),
    }
}

#[test]
fn boxes_agree_with_pycocotools() {
    for case in golden("metrics", "detection").as_array().unwrap() {
        let images = list(&case["images"], image);
        let (thresholds, drawn) = (numbers(&case["thresholds"]), counts(&case["counts"]));
        let most = case["most"].as_u64().unwrap() as usize;
        for (protocol, name) in [(Protocol::Strict, "strict"), (Protocol::Mgca, "mgca")] {
            let matches = Matches::new(&images, &thresholds, most, protocol).unwrap();
            for (which, counts) in [("once", Counts::Once), ("counted", Counts::Of(&drawn))] {
                let key = format!("{name}_{which}");
                let what = format!("{}, {key}", case["name"]);
                all_same(
                    &matches.average_precision(counts).unwrap(),
                    &case[&key]["average_precision"],
                    &what,
                );
                for (rate, theirs) in numbers(&case["rates"])
                    .iter()
                    .zip(case[&key]["sensitivity"].as_array().unwrap())
                {
                    let ours = matches.sensitivity(*rate, counts).unwrap();
                    all_same(&ours, theirs, &format!("{what}, sensitivity at {rate}"));
                }
            }
        }
    }
}

fn all_same(ours: &[Option<f64>], theirs: &Value, what: &str) {
    let theirs = theirs.as_array().unwrap();
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        same(*ours, theirs, what);
    }
}

#[test]
fn the_mean_is_over_the_thresholds() {
    let case = &golden("metrics", "detection")[0];
    let images = list(&case["images"], image);
    let matches = Matches::new(&images, &MGCA_THRESHOLDS, 100, Protocol::Strict).unwrap();
    let each = numbers(&case["strict_once"]["average_precision"]);
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    same(
        matches.mean_average_precision(Counts::Once).unwrap(),
        &mean.into(),
        "mean",
    );
}
