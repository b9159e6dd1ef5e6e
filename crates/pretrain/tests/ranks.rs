//! Several processes against one with the joined batch. Each test starts this binary again, once
//! for each rank.
//!
//! Losses and their gradients agree within 1e-10 in f64 and 1e-5 in f32, relative to the largest
//! gradient of a tensor. So do the loss of the whole model, and in f64 all its gradients. (In f32,
//! rounding errors decide which ReLUs are open: the gradients of one process differ from those in
//! f64 by up to a tenth.) Ten optimiser steps of the whole model agree with PyTorch in one process
//! (`tests/oracle/pretrain_steps.py`) within 1e-7, as those of one process do.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use mflag_encoder::{Arch, BatchNorm};
use mflag_pretrain::loss::{Gram, OrthogonalityForm, alignment, orthogonality};
use mflag_pretrain::model::{Latents, Model, ProjectorConfig};
use mflag_pretrain::sync_batch_norm::SyncBatchNorm;
use mflag_tests::{assert_close, formula, golden_json, numbers, ranks};
use mflag_train::schedule::{Decay, Schedule, Span};
use mflag_train::{
    Batches, Checkpoint, Direction, FitResult, LAST, METRICS, Monitor, Position, Precision, Step,
    Task, TaskResult, Then, TrainerConfig, World, fit,
};
use rstest::rstest;
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};
use tempfile::TempDir;

const TEXT: i64 = 12;
const BATCH: i64 = 8;
const LAMBDA: f64 = 0.0051;

/// Runs the case of the test `name` with `ranks` ranks. Returns the world in each of them.
fn world(name: &str, ranks: usize) -> Option<World> {
    if ranks::is_rank() {
        return Some(World::join().unwrap().unwrap());
    }
    let case = if ranks == 2 { "case_1" } else { "case_2" };
    ranks::run(&format!("{name}::{case}"), ranks);
    None
}

/// The rows of a rank: every `size`-th, beginning with number `rank`.
fn share(all: &Tensor, (rank, size): (usize, usize)) -> Tensor {
    let rows = Tensor::arange_start_step(
        rank as i64,
        all.size()[0],
        size as i64,
        (Kind::Int64, Device::Cpu),
    );
    all.index_select(0, &rows)
}

fn mine(all: &Tensor, world: &World) -> Tensor {
    share(all, (world.rank(), world.size()))
}

fn leaf(tensor: &Tensor) -> Tensor {
    tensor.detach().copy().set_requires_grad(true)
}

/// The largest difference, relative to the largest value of `expected`.
fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    let difference = (found - expected).abs().max().double_value(&[]);
    difference / expected.abs().max().double_value(&[])
}

#[track_caller]
fn assert_near(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let distance = distance(found, expected);
    assert!(
        distance <= tolerance,
        "{what}: {distance:e} is more than {tolerance:e}"
    );
}

const PRECISIONS: [(Kind, f64); 2] = [(Kind::Double, 1e-10), (Kind::Float, 1e-5)];

/// Biases of layers before a BatchNorm.
const BEFORE_NORM: [&str; 4] = [
    "proj_v.0.bias",
    "proj_v.3.bias",
    "proj_t.0.bias",
    "proj_t.3.bias",
];

/// The sum of both losses of one process, as far as they are wanted.
fn loss_of_one(x: &Tensor, v: &Tensor, t: &Tensor, form: OrthogonalityForm, gram: Gram) -> Tensor {
    let orth = orthogonality(x, form, LAMBDA, gram, None).unwrap().unwrap();
    alignment(v, t) + orth
}

/// The orthogonality loss over the rows of all ranks as it is often written: the rows of the others
/// are gathered without gradients. Its value is right, its gradient too small by the number of
/// ranks.
fn orthogonality_without_world_factor(
    x: &Tensor,
    form: OrthogonalityForm,
    gram: Gram,
    world: &World,
) -> Tensor {
    let rows = x.size()[0];
    let all = world.gather(&x.detach(), Then::Same).unwrap();
    let before = all.narrow(0, 0, world.rank() as i64 * rows);
    let first_after = (world.rank() as i64 + 1) * rows;
    let after = all.narrow(0, first_after, all.size()[0] - first_after);
    let joined = Tensor::cat(&[&before, x, &after], 0);
    orthogonality(&joined, form, LAMBDA, gram, None)
        .unwrap()
        .unwrap()
}

#[rstest]
#[case(2)]
#[case(4)]
fn losses_and_their_gradients_are_those_of_the_joined_batch(#[case] ranks: usize) {
    let name = "losses_and_their_gradients_are_those_of_the_joined_batch";
    let Some(world) = world(name, ranks) else {
        return;
    };
    tch::manual_seed(5);
    let random = |width| Tensor::randn([16, width], (Kind::Double, Device::Cpu)) + 0.3;
    // More features than pairs, and fewer.
    for width in [40, 6] {
        let (x, v, t) = (random(width), random(9), random(9));
        for (kind, tolerance) in PRECISIONS {
            for form in [OrthogonalityForm::Official, OrthogonalityForm::Normalised] {
                for gram in [Gram::Features, Gram::Samples] {
                    let what = format!("{kind:?} {form:?} {gram:?}, width {width}");
                    let [x, v, t] = [&x, &v, &t].map(|all| leaf(&all.to_kind(kind)));
                    let expected = loss_of_one(&x, &v, &t, form, gram);
                    expected.backward();

                    let [my_x, my_v, my_t] = [&x, &v, &t].map(|all| leaf(&mine(all, &world)));
                    let orth = orthogonality(&my_x, form, LAMBDA, gram, Some(&world));
                    let loss = alignment(&my_v, &my_t) + orth.unwrap().unwrap();
                    loss.backward();
                    let mean = world.mean(&loss.detach(), Then::Own).unwrap();
                    assert_near(&mean, &expected.detach(), tolerance, &what);
                    // The objective is the mean of all ranks' losses.
                    let gradient = |own: &Tensor| own.grad() / world.size() as f64;
                    for (own, all) in [(&my_x, &x), (&my_v, &v), (&my_t, &t)] {
                        assert_near(&gradient(own), &mine(&all.grad(), &world), tolerance, &what);
                    }

                    // The test fails for a loss whose gradient lacks the number of ranks.
                    let wrong_x = leaf(&mine(&x, &world));
                    let wrong = orthogonality_without_world_factor(&wrong_x, form, gram, &world);
                    wrong.backward();
                    let far = distance(&gradient(&wrong_x), &mine(&x.grad(), &world));
                    assert!(
                        far > 0.4,
                        "{what}: the comparison does not notice a wrong gradient ({far})"
                    );
                }
            }
        }
    }
}

fn model(kind: Kind) -> (Model, nn::VarStore) {
    let mut store = nn::VarStore::new(Device::Cpu);
    let projector = ProjectorConfig {
        hidden: 32,
        output: 16,
        report_lr_scale: 1.0,
    };
    let model = Model::new(&store.root(), Arch::ResNet18, TEXT, projector).unwrap();
    store.set_kind(kind);
    tch::no_grad(|| {
        for (name, variable) in store.variables() {
            let shape = variable.size();
            let values = Tensor::from_slice(&formula::weights(&name, &shape)).view(&shape[..]);
            variable.shallow_clone().copy_(&values);
        }
    });
    (model, store)
}

fn input(name: &str, shape: &[i64]) -> Tensor {
    let n = shape.iter().product::<i64>() as usize;
    Tensor::from_slice(&formula::values(name, n)).view(shape)
}

fn sync(model: &mut Model, world: &World) {
    let norm: Arc<dyn BatchNorm> = Arc::new(SyncBatchNorm(world.clone()));
    model.set_batch_norm(&norm);
}

#[rstest]
#[case(2)]
#[case(4)]
fn every_gradient_of_the_model_is_that_of_the_joined_batch(#[case] ranks: usize) {
    let name = "every_gradient_of_the_model_is_that_of_the_joined_batch";
    let Some(world) = world(name, ranks) else {
        return;
    };
    let films = input("films0", &[BATCH, 3, 64, 64]);
    let reports = input("texts0", &[BATCH, TEXT]);
    for (kind, tolerance) in PRECISIONS {
        for form in [OrthogonalityForm::Official, OrthogonalityForm::Normalised] {
            let gram = Gram::Samples;
            let (films, reports) = (films.to_kind(kind), reports.to_kind(kind));
            let (one, all) = model(kind);
            let Latents {
                pooled,
                films: v,
                reports: t,
            } = one.forward(&films, &reports, true).unwrap();
            let expected = loss_of_one(&pooled, &v, &t, form, gram);
            expected.backward();

            let gradients = |synced: bool| {
                let (mut own, store) = model(kind);
                if synced {
                    sync(&mut own, &world);
                }
                let (films, reports) = (mine(&films, &world), mine(&reports, &world));
                let latents = own.forward(&films, &reports, true).unwrap();
                let orth = orthogonality(&latents.pooled, form, LAMBDA, gram, Some(&world));
                let loss = alignment(&latents.films, &latents.reports) + orth.unwrap().unwrap();
                loss.backward();
                let loss = world.mean(&loss.detach(), Then::Own).unwrap();
                let distances = |(name, expected): (String, Tensor)| {
                    let own = store.variables()[&name].grad();
                    let mean = world.mean(&own, Then::Own).unwrap();
                    (distance(&mean, &expected.grad()), name)
                };
                let mut trained: Vec<_> = all.variables().into_iter().collect();
                trained.retain(|(_, variable)| variable.requires_grad());
                trained.sort_by(|a, b| a.0.cmp(&b.0));
                (loss, trained.into_iter().map(distances).collect::<Vec<_>>())
            };
            let what = format!("{kind:?} {form:?}");
            let (loss, mut distances) = gradients(true);
            assert_near(&loss, &expected.detach(), tolerance, &what);
            // The true gradient of a bias before BatchNorm is 0; rounding errors cannot be
            // compared.
            distances.retain(|(_, name)| !BEFORE_NORM.contains(&name.as_str()));
            let furthest = distances
                .into_iter()
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap();
            if kind == Kind::Double {
                assert!(furthest.0 <= tolerance, "{what}: {furthest:?}");
            }

            // The test fails if each rank normalises by its own batch.
            let (_, distances) = gradients(false);
            assert!(
                distances
                    .iter()
                    .all(|(far, name)| *far > 0.01 || name.contains("bias")),
                "{what}"
            );
        }
    }
}

/// Ten batches of formulas, as in `tests/oracle/pretrain_steps.py`.
struct Steps {
    model: Model,
    store: nn::VarStore,
    form: OrthogonalityForm,
    world: Option<World>,
    /// Over which ranks the losses are computed.
    loss_world: Option<World>,
    /// Divide each batch into this number of batches.
    split: usize,
    steps: usize,
    /// The loss of this rank at optimiser step 2 (from 0) is NaN.
    faulty: Option<usize>,
}

impl Steps {
    /// With `is_global`, losses and BatchNorm are over all ranks.
    fn new(form: OrthogonalityForm, world: Option<World>, is_global: bool) -> Steps {
        let (mut model, store) = model(Kind::Double);
        let loss_world = world.clone().filter(|_| is_global);
        if let Some(world) = &loss_world {
            sync(&mut model, world);
        }
        Steps {
            model,
            store,
            form,
            world,
            loss_world,
            split: 1,
            steps: 10,
            faulty: None,
        }
    }
}

impl Task for Steps {
    type Batch = (Tensor, Tensor);

    fn variables(&self) -> Vec<(String, Tensor)> {
        mflag_train::sorted_variables(&self.store)
    }

    fn batches_per_epoch(&self) -> usize {
        self.steps * self.split
    }

    fn batches(&self, _epoch: usize, first: usize) -> TaskResult<Batches<Self::Batch>> {
        let rank = self
            .world
            .as_ref()
            .map(|world| (world.rank(), world.size()));
        let split = self.split;
        let batch = move |i: usize| {
            let step = i / split;
            let films = input(&format!("films{step}"), &[BATCH, 3, 64, 64]);
            let reports = input(&format!("texts{step}"), &[BATCH, TEXT]);
            let part = rank.unwrap_or((i % split, split));
            Ok((share(&films, part), share(&reports, part)))
        };
        Ok(Box::new((first..self.batches_per_epoch()).map(batch)))
    }

    fn batch_len(&self, batch: &Self::Batch) -> usize {
        batch.0.size()[0] as usize
    }

    fn ids(&self, _batch: &Self::Batch) -> Vec<String> {
        Vec::new()
    }

    fn step(&mut self, (films, reports): &Self::Batch, position: Position) -> TaskResult<Step> {
        let latents = self.model.forward(films, reports, true)?;
        let align = alignment(&latents.films, &latents.reports);
        let (gram, world) = (Gram::Samples, self.loss_world.as_ref());
        let orth = orthogonality(&latents.pooled, self.form, LAMBDA, gram, world)?.unwrap();
        let rank = self.world.as_ref().map(World::rank);
        let is_faulty = position.step == 2 && rank.is_some() && rank == self.faulty;
        let factor = if is_faulty { f64::NAN } else { 1.0 };
        Ok(Step {
            loss: (&align + &orth) * factor,
            parts: vec![("alignment", align), ("orthogonality", orth)],
        })
    }

    fn validate(&mut self, _epoch: usize) -> TaskResult<Vec<(String, f64)>> {
        Ok(vec![("none".to_owned(), 0.0)])
    }

    fn monitor(&self) -> Monitor {
        Monitor {
            metric: "none".to_owned(),
            direction: Direction::Higher,
        }
    }

    fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }
}

/// Trains in a new folder.
fn train(mut task: Steps) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    train_in(&folder, &mut task).unwrap();
    folder
}

fn train_in(folder: &TempDir, task: &mut Steps) -> mflag_train::Result<FitResult> {
    let mut config = TrainerConfig {
        epochs: 1,
        accumulate: task.split,
        precision: Precision::Fp32,
        channels_last: false,
        log_every: 1,
        schedule: Schedule {
            warmup: Span(0.0),
            decay: Decay::Constant,
        },
        ..TrainerConfig::default()
    };
    config.optimiser.lr = 1e-3;
    config.optimiser.weight_decay = 0.05;
    fit(task, &config, Device::Cpu, folder.path())
}

/// The lines of the training metrics, and the weights.
fn trained(folder: &TempDir) -> (Vec<Value>, Checkpoint) {
    let text = std::fs::read_to_string(folder.path().join(METRICS)).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["kind"] == "train").collect();
    (lines, Checkpoint::read(&folder.path().join(LAST)).unwrap())
}

/// Trains on a rank. Only rank 0 has files, at which `check` looks.
fn train_rank(task: Steps, check: impl FnOnce(Vec<Value>, Checkpoint)) {
    let world = task.world.clone().unwrap();
    let folder = train(task);
    if world.is_main() {
        let (lines, checkpoint) = trained(&folder);
        check(lines, checkpoint);
    } else {
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
    world.barrier().unwrap();
}

#[rstest]
#[case(2, "official", OrthogonalityForm::Official)]
#[case(4, "normalised", OrthogonalityForm::Normalised)]
fn ten_steps_equal_those_of_pytorch_in_one_process(
    #[case] ranks: usize,
    #[case] name: &str,
    #[case] form: OrthogonalityForm,
) {
    let Some(world) = world("ten_steps_equal_those_of_pytorch_in_one_process", ranks) else {
        return;
    };
    let golden = &golden_json("pretrain_steps/steps.json")[name];
    train_rank(Steps::new(form, Some(world), true), |lines, checkpoint| {
        let steps = golden["steps"].as_array().unwrap();
        assert_eq!(lines.len(), steps.len());
        for (step, (line, golden)) in lines.iter().zip(steps).enumerate() {
            let keys = ["alignment", "orthogonality", "gradient_norm"];
            let [found, theirs] = [line, golden].map(|of| keys.map(|k| of[k].as_f64().unwrap()));
            assert_close(&found, &theirs, 1e-7, &format!("{name}, step {step}"));
        }
        let weights = checkpoint.part("model");
        for (variable, golden) in golden["after"].as_object().unwrap() {
            let (_, found) = weights.iter().find(|(name, _)| name == variable).unwrap();
            let found = Vec::try_from(found.flatten(0, -1).narrow(0, 0, 5)).unwrap();
            assert_close(&found, &numbers(golden), 1e-7, variable);
        }
    });
}

/// `loss.batch: process` on several ranks is what one process does by accumulating their shares.
/// Later steps would multiply rounding errors, because BatchNorm over two pairs does.
#[rstest]
#[case(2)]
#[case(4)]
fn losses_of_each_process_equal_accumulation(#[case] ranks: usize) {
    let Some(world) = world("losses_of_each_process_equal_accumulation", ranks) else {
        return;
    };
    let split = world.size();
    let task = |world| Steps {
        steps: 2,
        ..Steps::new(OrthogonalityForm::Official, world, false)
    };
    train_rank(task(Some(world)), |lines, checkpoint| {
        let (expected, weights) = trained(&train(Steps {
            split,
            ..task(None)
        }));
        assert_eq!((lines.len(), expected.len()), (2, 2));
        for (line, expected) in lines.iter().zip(&expected) {
            let keys = ["loss", "alignment", "orthogonality", "gradient_norm"];
            let [found, theirs] = [line, expected].map(|of| keys.map(|k| of[k].as_f64().unwrap()));
            assert_close(&found, &theirs, 1e-9, &format!("step {}", line["step"]));
        }
        let (found, expected) = (checkpoint.part("model"), weights.part("model"));
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            // Each process updates running statistics once a step, accumulation once a batch.
            let is_compared = !name.contains("running") && !BEFORE_NORM.contains(&name.as_str());
            if is_compared {
                assert_near(found, expected, 1e-6, name);
            }
        }
    });
}

#[test]
fn a_loss_that_is_not_finite_on_one_rank_is_skipped_by_all() {
    let name = "a_loss_that_is_not_finite_on_one_rank_is_skipped_by_all";
    if !ranks::is_rank() {
        return ranks::run(name, 2);
    }
    let world = World::join().unwrap().unwrap();
    let mut task = Steps {
        faulty: Some(1),
        ..Steps::new(OrthogonalityForm::Official, Some(world.clone()), true)
    };
    let folder = tempfile::tempdir().unwrap();
    let error = train_in(&folder, &mut task).unwrap_err().to_string();
    assert!(
        error.starts_with("the loss is not finite at step 3 of epoch 1"),
        "{error}"
    );
    for (name, variable) in task.variables() {
        // Running statistics have seen the step; weights have not.
        let all = world
            .gather(&variable.detach().view([1, -1]), Then::Same)
            .unwrap();
        assert!(
            all.get(0).equal(&all.get(1)),
            "{name} differs between ranks"
        );
        assert!(bool::try_from(all.isfinite().all()).unwrap(), "{name}");
    }
    assert_eq!(
        folder.path().join("non-finite.txt").exists(),
        world.is_main()
    );
}
