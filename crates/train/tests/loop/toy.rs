//! A small regression that depends on the order of samples, dropout and BatchNorm statistics.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mflag_core::seed;
use mflag_tests::formula;
use mflag_train::schedule::{Decay, Schedule, Span};
use mflag_train::{
    Batches, Checkpoint, Direction, FitResult, LAST, METRICS, Monitor, Position, Precision, Result,
    Step, Task, TaskResult, TrainerConfig, fit,
};
use serde_json::Value;
use tch::nn::{self, ModuleT};
use tch::{Device, Kind, Reduction, Tensor};

/// Allows one run at a time, because libtorch's generator belongs to the process. Uses one thread,
/// because sums depend on the number of threads.
pub fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    tch::set_num_threads(1);
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fault, and its optimiser step (from 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Loss(u64),
    Gradient(u64),
    /// The given number of batches of the step raise the signal.
    Signal(u64, i32, usize),
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub samples: usize,
    pub batch: usize,
    pub kind: Kind,
    pub dropout: f64,
    pub norm: bool,
    pub width: i64,
    pub fault: Option<Fault>,
    /// The monitored metric after each epoch. Without it, the validation loss is monitored.
    pub script: Vec<f64>,
    /// Batches that the task announces in excess of those it has.
    pub excess: isize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            samples: 22,
            batch: 3,
            kind: Kind::Float,
            dropout: 0.3,
            norm: true,
            width: 4,
            fault: None,
            script: Vec::new(),
            excess: 0,
        }
    }
}

pub struct Toy {
    settings: Settings,
    store: nn::VarStore,
    conv: nn::Conv2D,
    norm: Option<nn::BatchNorm>,
    head: nn::Linear,
    films: Tensor,
    targets: Tensor,
}

const HELD_OUT: usize = 5;

/// Parts of a step beside the loss: more than ten, so that sorting by text would change the order.
pub const LOGGED: [&str; 12] = [
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11",
];

impl Toy {
    pub fn new(settings: Settings) -> Toy {
        tch::manual_seed(1);
        let mut store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let three = nn::ConvConfig {
            padding: 1,
            // The gradient of a bias before BatchNorm is only rounding error, which Adam would
            // scale up.
            bias: !settings.norm,
            ..nn::ConvConfig::default()
        };
        let width = settings.width;
        let conv = nn::conv2d(&root / "conv", 2, width, 3, three);
        let norm = settings
            .norm
            .then(|| nn::batch_norm2d(&root / "norm", width, nn::BatchNormConfig::default()));
        let head = nn::linear(&root / "head", width, 1, nn::LinearConfig::default());
        store.set_kind(settings.kind);
        let n = (settings.samples + HELD_OUT) as i64;
        let film = |name, shape: &[i64]| {
            let size: i64 = shape.iter().product();
            let values = Tensor::from_slice(&formula::values(name, size as usize));
            values.view(shape).to_kind(settings.kind)
        };
        let films = film("films", &[n, 2, 6, 6]);
        let targets = film("targets", &[n]);
        Toy {
            settings,
            store,
            conv,
            norm,
            head,
            films,
            targets,
        }
    }

    fn loss(&self, samples: &[i64], train: bool) -> Tensor {
        let index = Tensor::from_slice(samples);
        let mut x = self.films.index_select(0, &index).apply(&self.conv);
        if let Some(norm) = &self.norm {
            x = norm.forward_t(&x, train);
        }
        let x = x
            .relu()
            .mean_dim([2_i64, 3].as_slice(), false, None)
            .dropout(self.settings.dropout, train)
            .apply(&self.head);
        let targets = self.targets.index_select(0, &index);
        x.squeeze_dim(1).mse_loss(&targets, Reduction::Mean)
    }

    pub fn heal(&mut self) {
        self.settings.fault = None;
    }

    /// Copies of what is trained.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let all = self.variables().into_iter();
        all.filter(|(_, t)| t.requires_grad())
            .map(|(name, t)| (name, t.detach().copy()))
            .collect()
    }
}

impl Task for Toy {
    type Batch = Vec<i64>;

    fn variables(&self) -> Vec<(String, Tensor)> {
        mflag_train::sorted_variables(&self.store)
    }

    fn batches_per_epoch(&self) -> usize {
        let own = self.settings.samples.div_ceil(self.settings.batch);
        own.saturating_add_signed(self.settings.excess)
    }

    fn batches(&self, epoch: usize, first_batch: usize) -> TaskResult<Batches<Vec<i64>>> {
        let order = seed::permutation(3, epoch as u64, self.settings.samples);
        let batches: Vec<Vec<i64>> = order
            .chunks(self.settings.batch)
            .map(|chunk| chunk.iter().map(|&i| i64::from(i)).collect())
            .collect();
        Ok(Box::new(batches.into_iter().skip(first_batch).map(Ok)))
    }

    fn batch_len(&self, batch: &Vec<i64>) -> usize {
        batch.len()
    }

    fn ids(&self, batch: &Vec<i64>) -> Vec<String> {
        batch.iter().map(|i| format!("film-{i}")).collect()
    }

    fn step(&mut self, batch: &Vec<i64>, position: Position) -> TaskResult<Step> {
        let loss = self.loss(batch, true);
        let first = self.head.ws.sum(loss.kind());
        let loss = match self.settings.fault {
            Some(Fault::Loss(step)) if step == position.step => loss * f64::NAN,
            // The gradient of the root at 0 is infinite, and 0 times infinity is NaN.
            Some(Fault::Gradient(step)) if step == position.step => loss + (&first * 0.0).sqrt(),
            Some(Fault::Signal(step, signal, times)) if step == position.step => {
                let left = times.checked_sub(1);
                self.settings.fault = left.map(|left| Fault::Signal(step, signal, left));
                if left.is_some() {
                    signal_hook::low_level::raise(signal)?;
                }
                loss
            }
            _ => loss,
        };
        let parts = LOGGED.iter().zip(1..);
        Ok(Step {
            parts: parts.map(|(name, i)| (*name, &first * i)).collect(),
            loss,
        })
    }

    fn validate(&mut self, epoch: usize) -> TaskResult<Vec<(String, f64)>> {
        let n = self.settings.samples as i64;
        let held_out: Vec<i64> = (n..n + HELD_OUT as i64).collect();
        let loss = self.loss(&held_out, false).double_value(&[]);
        let monitored = self.settings.script.get(epoch).copied().unwrap_or(loss);
        Ok(vec![
            ("loss".to_owned(), loss),
            ("monitored".to_owned(), monitored),
        ])
    }

    fn monitor(&self) -> Monitor {
        Monitor {
            metric: "monitored".to_owned(),
            direction: Direction::Lower,
        }
    }
}

/// Three epochs with a warm-up. The intervals of logs and checkpoints do not divide the epoch.
pub fn config(accumulate: usize) -> TrainerConfig {
    let mut config = TrainerConfig {
        epochs: 3,
        batch_size: 3,
        accumulate,
        precision: Precision::Fp32,
        channels_last: false,
        log_every: 2,
        checkpoint_every: 5,
        schedule: Schedule {
            warmup: Span(2.0),
            decay: Decay::Cosine { minimum: 1e-4 },
        },
        ..TrainerConfig::default()
    };
    config.optimiser.lr = 0.02;
    config.optimiser.clip_norm = Some(0.3);
    config
}

/// Runs a new toy in `folder`.
pub fn run(settings: &Settings, config: &TrainerConfig, folder: &Path) -> Result<FitResult> {
    fit(&mut Toy::new(settings.clone()), config, Device::Cpu, folder)
}

/// Metrics that depend on time.
pub const CLOCKS: [&str; 2] = ["samples_per_second", "outside_share"];

/// The lines of metrics.jsonl, without those that depend on time.
pub fn metrics(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(METRICS)).unwrap();
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        for clock in CLOCKS {
            value.as_object_mut().unwrap().shift_remove(clock);
        }
        value
    };
    text.lines().map(line).collect()
}

const PARTS: [&str; 4] = ["model", "optim", "rng", "meter"];

/// Asserts that two checkpoints are equal, except for the length of metrics.jsonl, which depends on
/// time.
#[track_caller]
pub fn assert_same(a: &Path, b: &Path, what: &str) {
    let [mut a, mut b] = [a, b].map(|path| Checkpoint::read(path).unwrap());
    for part in PARTS {
        let (a, b) = (a.part(part), b.part(part));
        assert_eq!(a.len(), b.len(), "{what}: {part}");
        for ((name, a), (other, b)) in a.iter().zip(&b) {
            assert_eq!(name, other, "{what}: {part}");
            assert!(a.kind() == b.kind() && a.equal(b), "{what}: {part}.{name}");
        }
    }
    a.state.metrics_bytes = 0;
    b.state.metrics_bytes = 0;
    assert_eq!(a.state, b.state, "{what}");
}

/// A temporary folder, in memory if possible: a short run mostly waits for the disk.
pub fn new_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A finished run of `settings`, and its folder.
pub fn finished(settings: &Settings, config: &TrainerConfig) -> (FitResult, tempfile::TempDir) {
    let folder = new_folder();
    let result = run(settings, config, folder.path()).unwrap();
    assert!(folder.path().join(LAST).exists());
    (result, folder)
}
