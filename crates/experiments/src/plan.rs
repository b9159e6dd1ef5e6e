//! From an experiment to the runs that it needs.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mflag_core::progress::clock;
use mflag_core::table::{Table, percent};
use mflag_core::{Result, config, digest};
use mflag_store::{Split, Store};

use crate::config::{Experiments, Sets, file_name};
use crate::job::{Job, State, Wanted, flags};

/// One cell of a table and one seed.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its task, by its place in the experiment.
    pub task: usize,
    /// Its encoder, likewise.
    pub encoder: usize,
    /// Its fraction, likewise.
    pub fraction: usize,
    /// Its seed.
    pub seed: u64,
    /// The run.
    pub job: Job,
}

/// All runs of an experiment.
#[derive(Debug)]
pub struct Plan {
    /// The pre-training runs, in the order of the encoders that have one.
    pub encoders: Vec<Job>,
    /// The cells, in the order that they are run in: what takes least first.
    pub cells: Vec<Cell>,
    /// What is not there yet, and nothing can be run without.
    pub problems: Vec<String>,
}

impl Plan {
    /// The runs of an experiment, with what is known of each.
    ///
    /// # Errors
    /// If a configuration cannot be read.
    pub fn new(experiments: &Experiments) -> Result<Plan> {
        let mut inputs = Inputs::default();
        let mut encoders = Vec::new();
        for encoder in &experiments.encoders {
            let Some(pretrain) = &encoder.pretrain else {
                if let Some(weights) = &encoder.weights {
                    inputs.need_weights(weights);
                }
                continue;
            };
            let wanted = Wanted {
                name: format!("pre-training of {}", encoder.name),
                program: "mflag-pretrain",
                config: pretrain.config.clone(),
                sets: flags(&pretrain.set).collect(),
                folder: experiments.pretraining(encoder),
            };
            encoders.push(inputs.job(wanted, None, 1.0)?);
        }
        let mut cells = Vec::new();
        for &fraction in &ascending(&experiments.fractions) {
            for &seed in &experiments.seeds {
                for task in 0..experiments.tasks.len() {
                    for encoder in 0..experiments.encoders.len() {
                        let job = cell(experiments, &mut inputs, [task, encoder, fraction], seed)?;
                        cells.push(Cell {
                            task,
                            encoder,
                            fraction,
                            seed,
                            job,
                        });
                    }
                }
            }
        }
        Ok(Plan {
            encoders,
            cells,
            problems: inputs.problems,
        })
    }

    /// All runs: encoders first, as cells need them.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.encoders
            .iter()
            .chain(self.cells.iter().map(|cell| &cell.job))
    }

    /// Refuses runs that were begun by another configuration.
    ///
    /// # Errors
    /// The first of them, with what differs.
    pub fn check_unchanged(&self) -> Result<()> {
        for job in self.jobs() {
            if let State::Changed(changed) = job.state()? {
                let reason = format!(
                    "was run otherwise ({}); undo that, or remove this folder with the .job.json beside it, or name another folder by --set runs=FOLDER",
                    changed.join(", ")
                );
                return Err(mflag_core::Error::Run {
                    path: job.wanted.folder.clone(),
                    reason,
                });
            }
        }
        Ok(())
    }

    /// What is done, and what the rest will cost.
    ///
    /// # Errors
    /// As [`Job::state`].
    pub fn cost(&self, experiments: &Experiments) -> Result<Table> {
        let head = [
            "runs of",
            "all",
            "done",
            "begun",
            "film passes left, at most",
            "time left",
        ];
        let mut table = Table::new(&head);
        if !self.encoders.is_empty() {
            let encoders: Vec<&Job> = self.encoders.iter().collect();
            table.row(Cost::of(&encoders)?.row("pre-training"));
        }
        for (place, task) in experiments.tasks.iter().enumerate() {
            let cells = self.cells.iter().filter(|cell| cell.task == place);
            let jobs: Vec<&Job> = cells.map(|cell| &cell.job).collect();
            table.row(Cost::of(&jobs)?.row(&task.name));
        }
        Ok(table)
    }
}

/// Places of the values, the smallest first.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    places
}

fn cell(
    experiments: &Experiments,
    inputs: &mut Inputs,
    [task, encoder, fraction]: [usize; 3],
    seed: u64,
) -> Result<Job> {
    let (task, encoder) = (&experiments.tasks[task], &experiments.encoders[encoder]);
    let fraction = experiments.fractions[fraction];
    let at = task
        .at
        .iter()
        .filter(|at| at.fraction == fraction)
        .map(|at| &at.set);
    let weights = experiments.weights(encoder);
    let own: Sets = [
        ("data.fraction", Some(fraction.into())),
        ("data.fraction_seed", Some(seed.into())),
        ("train.seed", Some(seed.into())),
        (
            "encoder.weights",
            weights.as_ref().map(|w| w.display().to_string().into()),
        ),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    let sets = [&task.set]
        .into_iter()
        .chain(at)
        .chain([&encoder.set, &own]);
    let folder = experiments.runs.join(file_name(&task.name));
    let folder = folder.join(file_name(&encoder.name));
    let wanted = Wanted {
        name: format!(
            "{}, {}, {}, seed {seed}",
            task.name,
            encoder.name,
            percent(fraction)
        ),
        program: task.program.name(),
        config: task.config.clone(),
        sets: sets.flat_map(flags).collect(),
        folder: folder.join(format!("{}-seed-{seed}", file_name(&percent(fraction)))),
    };
    inputs.job(wanted, weights.as_deref(), fraction)
}

/// What runs read: looked at once.
#[derive(Default)]
struct Inputs {
    /// Digest and number of training films.
    stores: HashMap<PathBuf, Option<(String, usize)>>,
    weights: HashMap<PathBuf, Option<String>>,
    problems: Vec<String>,
}

impl Inputs {
    /// The job of a run on a part of the training labels.
    fn job(&mut self, wanted: Wanted, weights: Option<&Path>, fraction: f64) -> Result<Job> {
        let stated = config::stated(&wanted.config, &wanted.sets)?;
        let store = stated["data"]["store"].as_str();
        let store = store.and_then(|path| self.store(Path::new(path), &wanted.config));
        let most = stated["data"]["max_train"].as_u64().unwrap_or(u64::MAX);
        let epochs = stated["train"]["epochs"].as_u64();
        let passes = epochs.zip(store.as_ref()).map(|(epochs, (_, films))| {
            epochs * (most.min(*films as u64) as f64 * fraction).ceil() as u64
        });
        let mut inputs = BTreeMap::new();
        inputs.extend(store.map(|(digest, _)| ("store".to_owned(), digest)));
        let encoder = weights.and_then(|path| self.digest(path));
        inputs.extend(encoder.map(|digest| ("encoder".to_owned(), digest)));
        Job::new(wanted, stated, inputs, passes)
    }

    fn store(&mut self, path: &Path, config: &Path) -> Option<(String, usize)> {
        if let Some(known) = self.stores.get(path) {
            return known.clone();
        }
        let opened = Store::open(path)
            .and_then(|store| Ok((store.digest()?, store.split(Split::Train).len())));
        let found = match opened {
            Ok(found) => Some(found),
            Err(error) => {
                let needs = format!("{} says how to make it", config.display());
                self.problems.push(format!("store {error} ({needs})"));
                None
            }
        };
        self.stores.insert(path.to_owned(), found.clone());
        found
    }

    fn digest(&mut self, path: &Path) -> Option<String> {
        let found = || digest::file(path).ok();
        self.weights
            .entry(path.to_owned())
            .or_insert_with(found)
            .clone()
    }

    fn need_weights(&mut self, path: &Path) {
        if self.digest(path).is_none() {
            self.problems.push(format!(
                "encoder {}: the file is not there or cannot be read; pre-train it, or fetch it",
                path.display()
            ));
        }
    }
}

/// How much is done of some runs, and what the others take.
#[derive(Default)]
struct Cost {
    all: usize,
    done: usize,
    begun: usize,
    /// Of those that are not done; `None` if one is unknown.
    passes: Option<u64>,
    /// Of those that are done.
    seconds: f64,
    passes_done: u64,
}

impl Cost {
    fn of(jobs: &[&Job]) -> Result<Cost> {
        let mut cost = Cost {
            all: jobs.len(),
            passes: Some(0),
            ..Cost::default()
        };
        for job in jobs {
            match job.state()? {
                State::Done(seconds) => {
                    cost.done += 1;
                    cost.seconds += seconds;
                    cost.passes_done += job.passes.unwrap_or(0);
                }
                state => {
                    cost.begun += usize::from(state == State::Begun);
                    cost.passes = cost.passes.zip(job.passes).map(|(a, b)| a + b);
                }
            }
        }
        Ok(cost)
    }

    /// Passes are what most of the time goes to; runs that stopped early make the rate look better than it is.
    fn row(&self, name: &str) -> [String; 6] {
        let time = match (self.passes, self.passes_done) {
            (Some(0), _) => "none".to_owned(),
            (Some(left), 1..) => {
                let seconds = self.seconds / self.passes_done as f64 * left as f64;
                format!("about {}", clock(seconds.ceil() as u64))
            }
            _ => "unknown until one is done".to_owned(),
        };
        [
            name.to_owned(),
            self.all.to_string(),
            self.done.to_string(),
            self.begun.to_string(),
            self.passes.map_or("unknown".to_owned(), |p| p.to_string()),
            time,
        ]
    }
}
