//! Goldens against PyTorch and torchvision (`tests/oracle/detection.py`). Both sides compute in
//! float64; the tolerance is 1e-9.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_detect::boxes::{Limits, PredictedBox, decode, suppress};
use mflag_detect::loss::loss;
use mflag_detect::yolo::{STRIDES, Yolo};
use mflag_detect::{Rules, TrueBox, anchors};
use mflag_encoder::Arch;
use mflag_metrics::detection::Rect;
use mflag_tests::{assert_close, formula, golden_json, numbers};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

const TOLERANCE: f64 = 1e-9;
const SIDE: u32 = 64;

fn filled(name: &str, shape: &[i64]) -> Tensor {
    let size: i64 = shape.iter().product();
    Tensor::from_slice(&formula::values(name, size as usize)).view(shape)
}

fn flat(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.detach().flatten(0, -1)).unwrap()
}

/// Outputs of the three grids for views of [`SIDE`] pixels.
fn outputs(name: &str, films: i64, classes: i64) -> Vec<Tensor> {
    let output = |(level, stride): (usize, i64)| {
        let grid = i64::from(SIDE) / stride;
        let shape = [films, 3 * (5 + classes), grid, grid];
        (filled(&format!("{name}{level}"), &shape) * 3.0).set_requires_grad(true)
    };
    STRIDES.into_iter().enumerate().map(output).collect()
}

#[test]
fn the_decoder_matches_the_reference() {
    let golden = golden_json("detection/yolo.json");
    let mut store = nn::VarStore::new(Device::Cpu);
    let decoder = Yolo::new(&store.root(), Arch::ResNet18, 2);
    store.double();
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            let shape = variable.size();
            variable.copy_(&Tensor::from_slice(&formula::weights(&name, &shape)).view(&shape[..]));
        }
    });
    let variables = store.variables();
    let mut names: Vec<&String> = variables.keys().collect();
    names.sort();
    let golden_names = golden["names"].as_array().unwrap();
    assert!(
        names
            .iter()
            .map(|n| n.as_str())
            .eq(golden_names.iter().filter_map(Value::as_str))
    );

    let inputs = [
        filled("c5", &[2, 512, 2, 2]),
        filled("c4", &[2, 256, 4, 4]),
        filled("c3", &[2, 128, 8, 8]),
    ];
    let check = |outputs: &[Tensor], mode: &str| {
        for (output, golden) in outputs.iter().zip(golden[mode].as_array().unwrap()) {
            assert!(
                output
                    .size()
                    .iter()
                    .map(|n| *n as f64)
                    .eq(numbers(&golden["shape"]))
            );
            let sum = output.sum(Kind::Double).double_value(&[]);
            assert_close(&[sum], &numbers(&golden["sum"]), TOLERANCE, mode);
            let first = &flat(output)[..6];
            assert_close(first, &numbers(&golden["first"]), TOLERANCE, mode);
        }
    };
    check(&decoder.forward(&inputs, false).unwrap(), "eval");
    let outputs = decoder.forward(&inputs, true).unwrap();
    check(&outputs, "train");
    let weighted = outputs
        .iter()
        .enumerate()
        .map(|(i, o)| (o * filled(&format!("cotangent{i}"), &o.size())).sum(Kind::Double));
    weighted.sum::<Tensor>().backward();
    for (name, norm) in golden["gradients"].as_object().unwrap() {
        let found = variables[name].grad().norm().double_value(&[]);
        assert_close(&[found], &[norm.as_f64().unwrap()], TOLERANCE, name);
    }
}

/// The rules of a golden: the formulas' or those of MGCA's code.
fn rules(golden: &Value) -> Rules {
    serde_json::from_value(golden["assignment"].clone()).unwrap()
}

#[test]
fn assignment_losses_and_gradients_match_the_reference_by_both_rules() {
    for golden in golden_json("detection/loss.json").as_array().unwrap() {
        let case = golden["case"].as_str().unwrap();
        let truth = |b: &Value| {
            let [class, x, y, width, height] = numbers(b)[..] else {
                unreachable!("five numbers");
            };
            TrueBox {
                class: class as usize,
                rect: Rect {
                    x: x - width / 2.0,
                    y: y - height / 2.0,
                    width,
                    height,
                },
            }
        };
        let films = golden["boxes"].as_array().unwrap();
        let targets: Vec<Vec<TrueBox>> = films
            .iter()
            .map(|film| film.as_array().unwrap().iter().map(truth).collect())
            .collect();
        let outputs = outputs(
            case,
            targets.len() as i64,
            golden["classes"].as_i64().unwrap(),
        );
        let parts = loss(&outputs, &targets, &anchors::coco(SIDE), rules(golden)).unwrap();
        let found = [&parts.centre, &parts.size, &parts.objectness, &parts.class];
        let found = found.map(|part| part.double_value(&[]));
        assert_close(&found, &numbers(&golden["parts"]), TOLERANCE, case);
        parts.sum().backward();
        let gradients = golden["gradients"].as_array().unwrap();
        for (output, golden) in outputs.iter().zip(gradients) {
            let gradient = output.grad();
            let mut found = vec![gradient.norm().double_value(&[])];
            found.extend(flat(&gradient).iter().step_by(37).take(8));
            assert_close(&found, &numbers(golden), TOLERANCE, case);
        }
    }
}

#[test]
fn decoded_boxes_match_the_formulas_by_both_rules() {
    for golden in golden_json("detection/decode.json").as_array().unwrap() {
        let case = golden["case"].as_str().unwrap();
        let outputs = outputs(case, 2, golden["classes"].as_i64().unwrap());
        let limits = Limits {
            confidence: golden["confidence"].as_f64().unwrap(),
            overlap: 0.5,
            rules: rules(golden),
        };
        let found = decode(&outputs, &anchors::coco(SIDE), SIDE, limits).unwrap();
        for (found, golden) in found.iter().zip(golden["films"].as_array().unwrap()) {
            let golden = golden.as_array().unwrap();
            assert_eq!(found.len(), golden.len(), "{case}");
            for (found, golden) in found.iter().zip(golden) {
                let [class, score, left, top, right, bottom] = numbers(golden)[..] else {
                    unreachable!("six numbers");
                };
                assert_eq!(
                    (found.class, found.score),
                    (class as usize, score as f32),
                    "{case}"
                );
                let golden = [left, top, right, bottom];
                let side = f64::from(SIDE);
                assert_close(
                    &corners(found.rect),
                    &golden.map(|edge| edge.clamp(0.0, side)),
                    TOLERANCE,
                    case,
                );
                if limits.rules == Rules::Mgca {
                    assert_close(&corners(found.uncut), &golden, TOLERANCE, case);
                }
            }
        }
    }
}

/// Left, upper, right and lower edge.
fn corners(rect: Rect) -> [f64; 4] {
    let Rect { x, y, .. } = rect;
    [x, y, x + rect.width, y + rect.height]
}

#[test]
fn suppression_keeps_what_torchvision_keeps() {
    for golden in golden_json("detection/nms.json").as_array().unwrap() {
        let number = golden["number"].as_u64().unwrap() as usize;
        let raw = formula::values(golden["name"].as_str().unwrap(), number * 5);
        let found: Vec<PredictedBox> = raw
            .chunks_exact(5)
            .map(|v| {
                let rect = Rect {
                    x: v[0] * 20.0 + 30.0,
                    y: v[1] * 20.0 + 30.0,
                    width: (v[2] + 1.1) * 15.0,
                    height: (v[3] + 1.1) * 15.0,
                };
                PredictedBox {
                    class: 0,
                    score: v[4] as f32,
                    rect,
                    uncut: rect,
                }
            })
            .collect();
        let limits = Limits {
            confidence: 0.0,
            overlap: golden["overlap"].as_f64().unwrap(),
            rules: Rules::Strict,
        };
        let kept = suppress(found.clone(), &limits, number);
        let indices = numbers(&golden["kept"]);
        let golden: Vec<PredictedBox> =
            indices.iter().map(|index| found[*index as usize]).collect();
        assert_eq!(kept, golden, "{number} boxes, {limits:?}");
    }
}
