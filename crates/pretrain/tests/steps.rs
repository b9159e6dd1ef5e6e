//! Ten optimiser steps against PyTorch (`tests/oracle/pretrain_steps.py`), both in float64 with the
//! same weights and batches. Losses, gradient norms and weights agree within 1e-7.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_encoder::Arch;
use mflag_pretrain::loss::{Gram, OrthogonalityForm, alignment, orthogonality};
use mflag_pretrain::model::{Model, ProjectorConfig};
use mflag_tests::{assert_close, formula, golden_json, numbers};
use mflag_train::AdamW;
use mflag_train::optim::{Group, OptimiserConfig};
use rstest::rstest;
use tch::{Device, Tensor, nn};

const TEXT: i64 = 12;
const BATCH: i64 = 8;
const TOLERANCE: f64 = 1e-7;

fn filled(values: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).view(shape)
}

fn input(name: &str, shape: &[i64]) -> Tensor {
    filled(
        &formula::values(name, shape.iter().product::<i64>() as usize),
        shape,
    )
}

#[rstest]
#[case("official", OrthogonalityForm::Official)]
#[case("normalised", OrthogonalityForm::Normalised)]
fn ten_steps_equal_those_of_pytorch(#[case] name: &str, #[case] form: OrthogonalityForm) {
    let golden = &golden_json("pretrain_steps/steps.json")[name];
    let mut store = nn::VarStore::new(Device::Cpu);
    let projector = ProjectorConfig {
        hidden: 32,
        output: 16,
        report_lr_scale: 1.0,
    };
    let model = Model::new(&store.root(), Arch::ResNet18, TEXT, projector).unwrap();
    store.double();
    let variables = store.variables();
    tch::no_grad(|| {
        for (name, variable) in &variables {
            let shape = variable.size();
            variable
                .shallow_clone()
                .copy_(&filled(&formula::weights(name, &shape), &shape));
        }
    });
    let trainable = variables.iter().filter(|(_, v)| v.requires_grad());
    let parameters = trainable
        .map(|(name, v)| (name.clone(), v.shallow_clone()))
        .collect();
    let settings = OptimiserConfig {
        lr: 1e-3,
        weight_decay: 0.05,
        ..OptimiserConfig::default()
    };
    let mut optimiser = AdamW::new(vec![Group::new("all", parameters)], &settings).unwrap();

    for (step, golden) in golden["steps"].as_array().unwrap().iter().enumerate() {
        let films = input(&format!("films{step}"), &[BATCH, 3, 64, 64]);
        let reports = input(&format!("texts{step}"), &[BATCH, TEXT]);
        let latents = model.forward(&films, &reports, true).unwrap();
        let align = alignment(&latents.films, &latents.reports);
        let orth = orthogonality(&latents.pooled, form, 0.0051, Gram::Samples, None)
            .unwrap()
            .unwrap();
        optimiser.zero_grad().unwrap();
        (&align + &orth).backward();
        let norm = optimiser.gradient_norm().unwrap();
        optimiser.step(1e-3, None).unwrap();
        let found = [&align, &orth, &norm].map(|t| t.double_value(&[]));
        let theirs =
            ["alignment", "orthogonality", "gradient_norm"].map(|k| golden[k].as_f64().unwrap());
        assert_close(&found, &theirs, TOLERANCE, &format!("{name}, step {step}"));
    }
    for (variable, golden) in golden["after"].as_object().unwrap() {
        let found: Vec<f64> =
            Vec::try_from(variables[variable].detach().flatten(0, -1).narrow(0, 0, 5)).unwrap();
        assert_close(&found, &numbers(golden), TOLERANCE, variable);
    }
}
