//! The losses in float32 against torch in float64 (`tests/oracle/loss.py`): values within 1e-5
//! relative, gradients within 2e-5 of the largest one, with both Gram matrices.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_pretrain::loss::{self, Gram, OrthogonalityForm};
use serde_json::Value;
use tch::{Kind, Tensor};

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/loss/loss.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn tensor(case: &Value, key: &str) -> Tensor {
    let values: Vec<f32> = case[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect();
    let shape = [
        case["batch"].as_i64().unwrap(),
        case["width"].as_i64().unwrap(),
    ];
    Tensor::from_slice(&values).reshape(shape)
}

fn assert_value(ours: &Tensor, theirs: &Value) {
    let (ours, theirs) = (ours.double_value(&[]), theirs.as_f64().unwrap());
    assert!(
        (ours - theirs).abs() <= 1e-5 * theirs.abs(),
        "{ours} instead of {theirs}"
    );
}

fn assert_gradient(ours: &Tensor, theirs: &Value) {
    let theirs: Vec<f64> = theirs
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect();
    let theirs = Tensor::from_slice(&theirs);
    let difference = (ours.flatten(0, -1).to_kind(Kind::Double) - &theirs)
        .abs()
        .max();
    let largest = theirs.abs().max().double_value(&[]);
    assert!(
        difference.double_value(&[]) <= 2e-5 * largest,
        "{difference:?} of {largest}"
    );
}

#[test]
fn alignment_agrees_with_torch() {
    let golden = golden();
    let case = &golden["alignment"];
    let v = tensor(case, "v").set_requires_grad(true);
    let t = tensor(case, "t").set_requires_grad(true);
    let loss = loss::alignment(&v, &t);
    loss.backward();
    assert_value(&loss, &case["value"]);
    assert_gradient(&v.grad(), &case["gradient_v"]);
    assert_gradient(&t.grad(), &case["gradient_t"]);
}

#[test]
fn orthogonality_agrees_with_torch_in_both_forms_and_both_grams() {
    let golden = golden();
    let lambda = golden["lambda"].as_f64().unwrap();
    for case in golden["orthogonality"].as_array().unwrap() {
        for (form, name) in [
            (OrthogonalityForm::Official, "official"),
            (OrthogonalityForm::Normalised, "normalised"),
        ] {
            for gram in [Gram::Features, Gram::Samples] {
                let x = tensor(case, "x").set_requires_grad(true);
                let loss = loss::orthogonality(&x, form, lambda, gram, None)
                    .unwrap()
                    .unwrap();
                loss.backward();
                assert_value(&loss, &case[name]["value"]);
                assert_gradient(&x.grad(), &case[name]["gradient"]);
            }
        }
    }
}

#[test]
fn the_form_off_computes_nothing() {
    let x = Tensor::ones([2, 3], (Kind::Float, tch::Device::Cpu));
    let off = loss::orthogonality(&x, OrthogonalityForm::Off, 0.0051, Gram::Samples, None);
    assert!(off.unwrap().is_none());
}

#[test]
fn the_cheaper_gram_is_the_smaller_one() {
    assert_eq!(Gram::cheaper(64, 2048), Gram::Samples);
    assert_eq!(Gram::cheaper(4096, 512), Gram::Features);
}

#[test]
fn both_grams_agree_at_the_papers_width() {
    // B = 64, D = 2048. The values agree within 1e-5 (relative), the gradients within 1e-4 of the
    // largest entry, because float32 sums of 4 million terms depend on their order.
    tch::manual_seed(0);
    let start = Tensor::rand([64, 2048], (Kind::Float, tch::Device::Cpu));
    let run = |gram| {
        let x = start.copy().set_requires_grad(true);
        let form = OrthogonalityForm::Official;
        let loss = loss::orthogonality(&x, form, 0.0051, gram, None)
            .unwrap()
            .unwrap();
        loss.backward();
        (loss.double_value(&[]), x.grad())
    };
    let ((a, ga), (b, gb)) = (run(Gram::Features), run(Gram::Samples));
    assert!((a - b).abs() <= 1e-5 * a.abs(), "{a} and {b}");
    let largest = ga.abs().max().double_value(&[]);
    assert!((ga - gb).abs().max().double_value(&[]) <= 1e-4 * largest);
}
