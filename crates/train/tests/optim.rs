//! AdamW against `torch.optim.AdamW` (`tests/oracle/adamw.py`): 1e-12 in float64, 1e-6 in float32,
//! relative to the larger of 1 and the value.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use mflag_tests::{assert_close, formula, golden_json, numbers};
use mflag_train::AdamW;
use mflag_train::optim::{Group, OptimiserConfig};
use rstest::rstest;
use tch::{Kind, Tensor};

const SHAPES: [(&str, &[i64]); 6] = [
    ("stem.weight", &[4, 3, 3, 3]),
    ("norm.weight", &[4]),
    ("norm.bias", &[4]),
    ("head.weight", &[5, 4]),
    ("head.bias", &[5]),
    ("late.weight", &[2, 2]),
];
const STEPS: usize = 10;

struct Model {
    parameters: Vec<(String, Tensor)>,
    optimiser: AdamW,
}

fn config() -> OptimiserConfig {
    OptimiserConfig {
        lr: 0.01,
        weight_decay: 0.05,
        betas: [0.9, 0.99],
        no_decay_norm_bias: true,
        ..OptimiserConfig::default()
    }
}

impl Model {
    fn new(kind: Kind, channels_last: bool) -> Model {
        let parameters: Vec<(String, Tensor)> = SHAPES
            .iter()
            .map(|(name, shape)| {
                let start = Tensor::from_slice(&formula::weights(name, shape)).view(*shape);
                (
                    (*name).to_owned(),
                    start.to_kind(kind).set_requires_grad(true),
                )
            })
            .collect();
        if channels_last {
            mflag_train::shim::channels_last(&parameters[0].1).unwrap();
        }
        let group = |name: &str, range: std::ops::Range<usize>| {
            let own = parameters[range].iter();
            Group::new(
                name,
                own.map(|(n, p)| (n.clone(), p.shallow_clone())).collect(),
            )
        };
        let head = Group {
            lr_scale: 0.1,
            weight_decay: Some(0.2),
            ..group("head", 3..6)
        };
        let optimiser = AdamW::new(vec![group("body", 0..3), head], &config()).unwrap();
        Model {
            parameters,
            optimiser,
        }
    }

    /// One step, as in the oracle. Returns the norm of the gradients.
    fn step(&mut self, step: usize) -> f64 {
        let mut loss = Tensor::from(0.0);
        let size = if step.is_multiple_of(2) { 0.05 } else { 1.0 };
        for (name, parameter) in &self.parameters {
            if name.starts_with("late") && step < 4 {
                continue;
            }
            let gradient = formula::values(&format!("gradient.{step}.{name}"), parameter.numel());
            let gradient = Tensor::from_slice(&gradient).view(&parameter.size()[..]) * size;
            loss += (parameter * gradient.to_kind(parameter.kind())).sum(Kind::Double);
        }
        loss.backward();
        let norm = self.optimiser.gradient_norm().unwrap();
        self.optimiser.clip(&norm, 1.0).unwrap();
        let lr = 0.01 * (1.0 - step as f64 / 20.0);
        self.optimiser.step(lr, None).unwrap();
        self.optimiser.zero_grad().unwrap();
        norm.double_value(&[])
    }

    fn everything(&self) -> Vec<(String, Tensor)> {
        let parameters = self.parameters.iter();
        parameters
            .map(|(n, p)| (n.clone(), p.detach()))
            .chain(self.optimiser.state())
            .collect()
    }
}

fn list(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

#[rstest]
#[case("float64", Kind::Double, false, 1e-12)]
#[case("float32", Kind::Float, false, 1e-6)]
#[case("float32", Kind::Float, true, 1e-6)]
fn ten_steps_equal_those_of_torch(
    #[case] name: &str,
    #[case] kind: Kind,
    #[case] channels_last: bool,
    #[case] tolerance: f64,
) {
    let golden = &golden_json("adamw/adamw.json")[name];
    let mut model = Model::new(kind, channels_last);
    let norms: Vec<f64> = (0..STEPS).map(|step| model.step(step)).collect();
    assert_close(&norms, &numbers(&golden["norms"]), tolerance, "norms");
    for (name, parameter) in &model.parameters {
        let golden = numbers(&golden["parameters"][name]);
        assert_close(&list(parameter), &golden, tolerance, name);
    }
    for (name, state) in model.optimiser.state() {
        let (part, parameter) = name.split_once('.').unwrap();
        let golden = numbers(&golden[part][parameter]);
        assert_close(&list(&state), &golden, tolerance, &name);
    }
}

#[rstest]
fn a_restored_state_gives_the_same_bits(#[values(Kind::Double, Kind::Float)] kind: Kind) {
    let mut whole = Model::new(kind, true);
    (0..STEPS).for_each(|step| _ = whole.step(step));
    for stop in 1..STEPS {
        let mut first = Model::new(kind, true);
        (0..stop).for_each(|step| _ = first.step(step));
        let mut second = Model::new(kind, true);
        tch::no_grad(|| {
            for ((_, to), (_, from)) in second.everything().iter_mut().zip(first.everything()) {
                to.copy_(&from);
            }
        });
        (stop..STEPS).for_each(|step| _ = second.step(step));
        for ((name, a), (_, b)) in whole.everything().iter().zip(second.everything()) {
            assert!(a.equal(&b), "{name} after a stop at {stop}");
        }
    }
}

#[test]
fn a_skipped_step_changes_nothing() {
    let mut model = Model::new(Kind::Float, false);
    (0..3).for_each(|step| _ = model.step(step));
    let copy = |model: &Model| -> Vec<Tensor> {
        let all = model.everything();
        all.iter().map(|(_, t)| t.copy()).collect()
    };
    let before = copy(&model);
    model.parameters[0].1.sum(Kind::Float).backward();
    let skip = Tensor::from(1.0_f32);
    model.optimiser.step(0.1, Some(&skip)).unwrap();
    assert!(before.iter().zip(copy(&model)).all(|(a, b)| a.equal(&b)));
    model
        .optimiser
        .step(0.1, Some(&Tensor::from(0.0_f32)))
        .unwrap();
    assert!(!before[0].equal(&copy(&model)[0]));
}

#[test]
fn parameters_that_cannot_be_trained_are_named() {
    let parameter = || ("w".to_owned(), Tensor::zeros([2], tch::kind::FLOAT_CPU));
    let groups = vec![
        Group::new("a", vec![parameter()]),
        Group::new("b", vec![parameter()]),
    ];
    let twice = AdamW::new(groups, &config()).unwrap_err().to_string();
    assert!(twice.contains('w') && twice.contains("group b"), "{twice}");
    let none = AdamW::new(vec![], &config()).unwrap_err().to_string();
    assert!(none.contains("frozen"), "{none}");
    let alone = AdamW::new(vec![Group::new("a", vec![parameter()])], &config()).unwrap();
    let none = alone.gradient_norm().unwrap_err().to_string();
    assert!(none.contains("no parameter has a gradient"), "{none}");
}
