//! Goldens against PyTorch and scikit-learn (`tests/oracle/classification.py`). Tolerances: 1e-9
//! for losses and gradients in float64, 1e-6 for what the head computes in f32, 1e-12 for metrics
//! of equal scores.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_classify::loss::{cross_entropy, masked_bce};
use mflag_classify::{Classification, ClassificationConfig, Fitted, Scored, Target, Task};
use mflag_encoder::Arch;
use mflag_head::Head;
use mflag_metrics::Counts;
use mflag_tests::{assert_close, formula, golden_json, numbers};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

const FILMS: i64 = 80;
const LABELS: i64 = 3;

fn filled(name: &str, shape: &[i64]) -> Tensor {
    let size: i64 = shape.iter().product();
    Tensor::from_slice(&formula::values(name, size as usize)).view(shape)
}

fn first(x: &Tensor, n: i64) -> Vec<f64> {
    Vec::try_from(x.to_kind(Kind::Double).flatten(0, -1).narrow(0, 0, n)).unwrap()
}

fn truth() -> Tensor {
    filled("truth", &[FILMS, LABELS]).gt(0.2)
}

fn some_known() -> Tensor {
    filled("known", &[FILMS, LABELS]).gt(-0.4)
}

fn classes() -> Tensor {
    ((filled("classes", &[FILMS]) + 1.0) / 2.0 * LABELS as f64).to_kind(Kind::Int64)
}

fn fitted(task: Task) -> Fitted {
    let labels = (0..LABELS).map(|label| format!("label {label}"));
    Fitted {
        task,
        labels: labels.collect(),
        thresholds: None,
    }
}

/// A head with the oracle's weights in float64.
fn head(task: Task, variables: &mut nn::VarStore) -> Classification {
    let settings = ClassificationConfig::default();
    let (root, arch) = (variables.root(), Arch::ResNet18);
    let head = Classification::new(&root, arch, 64, &settings, &fitted(task)).unwrap();
    variables.double();
    tch::no_grad(|| {
        for (name, mut variable) in variables.variables() {
            let shape = variable.size();
            variable.copy_(&Tensor::from_slice(&formula::weights(&name, &shape)).view(&shape[..]));
        }
    });
    head
}

/// The films' labels as targets of the head.
fn targets(truth: &Tensor, known: &Tensor) -> Vec<Target> {
    let rows = |t: &Tensor| Vec::<Vec<bool>>::try_from(t).unwrap();
    let films = rows(truth).into_iter().zip(rows(known));
    let film = |(truth, known): (Vec<bool>, Vec<bool>)| {
        let labels = truth.into_iter().zip(known);
        Target(labels.map(|(t, known)| known.then_some(t)).collect())
    };
    films.map(film).collect()
}

fn class_targets() -> Vec<Target> {
    let one_hot = classes()
        .unsqueeze(1)
        .eq_tensor(&Tensor::arange(LABELS, (Kind::Int64, Device::Cpu)));
    targets(&one_hot, &one_hot.ones_like())
}

#[test]
fn losses_and_gradients_match_pytorch() {
    let golden = golden_json("classification/classification.json");
    let pooled = filled("pooled", &[FILMS, Arch::ResNet18.width()]);
    let all = Tensor::ones([FILMS, LABELS], (Kind::Bool, Device::Cpu));
    for golden_loss in golden["losses"].as_array().unwrap() {
        let name = golden_loss["name"].as_str().unwrap();
        let (task, known) = match name {
            "multi_label, all known" => (Task::MultiLabel, all.shallow_clone()),
            "multi_label, some known" => (Task::MultiLabel, some_known()),
            "multi_label, none known" => (Task::MultiLabel, all.logical_not()),
            _ => (Task::MultiClass, all.shallow_clone()),
        };
        let mut store = nn::VarStore::new(Device::Cpu);
        let head = head(task, &mut store);
        let variables = store.variables();
        let mut names: Vec<&String> = variables.keys().collect();
        names.sort();
        assert_eq!(names, ["classifier.bias", "classifier.weight"]);
        let (weight, bias) = (
            &variables["classifier.weight"],
            &variables["classifier.bias"],
        );

        let logits = pooled.linear(weight, Some(bias));
        let loss = match task {
            Task::MultiClass => cross_entropy(&logits, &classes()),
            _ => {
                let double = |t: &Tensor| t.to_kind(Kind::Double);
                masked_bce(&logits, &double(&truth()), &double(&known))
            }
        };
        let loss = loss.unwrap();
        let value = numbers(&golden_loss["value"]);
        assert_close(&[loss.double_value(&[])], &value, 1e-9, name);
        assert_close(&first(&logits, 6), &numbers(&golden["logits"]), 1e-9, name);
        loss.backward();
        let weights = numbers(&golden_loss["weight"]);
        assert_close(&first(&weight.grad(), 6), &weights, 1e-9, name);
        let biases = numbers(&golden_loss["bias"]);
        assert_close(&first(&bias.grad(), LABELS), &biases, 1e-9, name);

        // The same through the head, from features and targets.
        let logits = head.forward(&[pooled.shallow_clone()], true).unwrap();
        assert_close(&first(&logits, 6), &numbers(&golden["logits"]), 1e-6, name);
        let targets = match task {
            Task::MultiClass => class_targets(),
            _ => targets(&truth(), &known),
        };
        let loss = head.loss(&logits, &targets).unwrap().loss;
        assert_close(&[loss.double_value(&[])], &value, 1e-6, name);
    }
}

/// The metrics of the golden's scores, what was fitted, and the predictions.
fn evaluate(task: Task, targets: &[Target]) -> (Vec<(String, f64)>, Fitted, Vec<Vec<f32>>) {
    let scores = (filled("scores", &[FILMS, LABELS]) * 4.0).to_kind(Kind::Float);
    let mut store = nn::VarStore::new(Device::Cpu);
    let predictions = head(task, &mut store).predictions(&scores).unwrap();
    let fitted = fitted(task);
    let score = |(p, target): (&Vec<f32>, &Target)| Classification::score(&fitted, p, target);
    let scored: Vec<Scored> = predictions
        .iter()
        .zip(targets)
        .map(|film| score(film).unwrap())
        .collect();
    let calibrated = Classification::CALIBRATE.unwrap()(&fitted, &scored).unwrap();
    let settings = ClassificationConfig::default();
    let metrics = Classification::metrics(&settings, &calibrated, &scored, None).unwrap();
    let value = |(name, metric): mflag_head::NamedMetric<'_>| {
        (name, metric(Counts::Once).unwrap().unwrap())
    };
    (
        metrics.into_iter().map(value).collect(),
        calibrated,
        predictions,
    )
}

#[track_caller]
fn check(metrics: &[(String, f64)], golden: &Value, names: &[&str]) {
    for name in names {
        let found = metrics.iter().find(|(n, _)| n == name).unwrap().1;
        assert_close(&[found], &numbers(&golden[name]), 1e-12, name);
    }
}

#[test]
fn metrics_of_labels_match_scikit_learn() {
    let golden = &golden_json("classification/classification.json")["multi_label"];
    let targets = targets(&truth(), &some_known());
    let (found, fitted, _) = evaluate(Task::MultiLabel, &targets);
    check(
        &found,
        golden,
        &["auroc", "average_precision", "f1", "accuracy"],
    );
    let aurocs: Vec<f64> = (0..LABELS)
        .map(|label| format!("auroc:label {label}"))
        .map(|name| found.iter().find(|(n, _)| *n == name).unwrap().1)
        .collect();
    assert_close(
        &aurocs,
        &numbers(&golden["aurocs"]),
        1e-12,
        "label by label",
    );
    let thresholds: Vec<f64> = fitted
        .thresholds
        .unwrap()
        .iter()
        .map(|t| f64::from(t.unwrap()))
        .collect();
    // Thresholds are stored in f32.
    assert_close(
        &thresholds,
        &numbers(&golden["thresholds"]),
        1e-7,
        "thresholds",
    );
}

#[test]
fn metrics_of_classes_match_scikit_learn() {
    let golden = &golden_json("classification/classification.json")["multi_class"];
    let (found, fitted, log_odds) = evaluate(Task::MultiClass, &class_targets());
    check(&found, golden, &["auroc", "accuracy", "f1"]);
    assert_eq!(fitted.thresholds, None);
    let sigmoid = |s: &f32| 1.0 / (1.0 + (-f64::from(*s)).exp());
    let probabilities: Vec<f64> = log_odds.iter().flatten().take(9).map(sigmoid).collect();
    assert_close(
        &probabilities,
        &numbers(&golden["probabilities"]),
        1e-6,
        "softmax",
    );
}
