//! The runs that an experiment needs.

mod cost;
mod inputs;

use std::path::PathBuf;

use mflag_core::table::{Table, percent};
use mflag_core::{Result, suggest};

use crate::config::{EncoderConfig, Experiment, Overrides, PretrainConfig, folder_name};
use crate::job::{Job, JobSpec, set_arguments};
use cost::Cost;
use inputs::Inputs;

/// One seed of a cell of the tables.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Index of the task in the experiment.
    pub task: usize,
    /// Index of the encoder in the experiment.
    pub encoder: usize,
    /// Index of the fraction in the experiment.
    pub fraction: usize,
    /// Seed.
    pub seed: u64,
    /// The run.
    pub job: Job,
}

/// All runs of an experiment.
#[derive(Debug)]
pub struct Plan {
    /// The pre-trainings, in the order of their encoders.
    pub encoders: Vec<Job>,
    /// The cells in the order in which they run: small fractions first.
    pub cells: Vec<Cell>,
    /// What is missing and must exist before a run can start.
    pub problems: Vec<String>,
}

impl Plan {
    /// Lists the runs of an experiment, and reads the record of each.
    ///
    /// # Errors
    /// If a configuration, or the record of a job, cannot be read.
    pub fn new(experiment: &Experiment) -> Result<Plan> {
        let mut inputs = Inputs::default();
        let mut encoders = Vec::new();
        for encoder in &experiment.encoders {
            if let Some(pretrain) = &encoder.pretrain {
                let spec = pretraining_spec(experiment, encoder, pretrain);
                encoders.push(inputs.job(spec, None, 1.0)?);
            } else if let Some(weights) = &encoder.weights {
                inputs.require_weights(weights);
            }
        }
        let mut cells = Vec::new();
        for fraction in ascending(&experiment.fractions) {
            for &seed in &experiment.seeds {
                for task in 0..experiment.tasks.len() {
                    for encoder in 0..experiment.encoders.len() {
                        let spec = cell_spec(experiment, [task, encoder, fraction], seed);
                        let weights = experiment.weights(&experiment.encoders[encoder]);
                        let part = experiment.fractions[fraction];
                        cells.push(Cell {
                            task,
                            encoder,
                            fraction,
                            seed,
                            job: inputs.job(spec, weights.as_deref(), part)?,
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

    /// All runs: pre-trainings first, as the cells need their encoders.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> + Clone {
        self.encoders
            .iter()
            .chain(self.cells.iter().map(|cell| &cell.job))
    }

    /// The run with this identifier, and the pre-training that makes its encoder, if one does.
    ///
    /// # Errors
    /// If there is no such run. Names a similar one.
    pub fn find(&self, experiment: &Experiment, id: &str) -> Result<(&Job, Option<&Job>)> {
        if let Some(pretraining) = self.encoders.iter().find(|job| job.spec.id == id) {
            return Ok((pretraining, None));
        }
        if let Some(cell) = self.cells.iter().find(|cell| cell.job.spec.id == id) {
            return Ok((&cell.job, self.needed_by(experiment, cell)));
        }
        let hint = suggest::hint(id, self.jobs().map(|job| job.spec.id.as_str()));
        Err(mflag_core::Error::Run {
            path: experiment.runs.clone(),
            reason: format!("the experiment has no run {id}{hint}"),
        })
    }

    /// The pre-training that makes the encoder of a cell, if one does.
    pub fn needed_by(&self, experiment: &Experiment, cell: &Cell) -> Option<&Job> {
        let folder = experiment.pretraining_folder(&experiment.encoders[cell.encoder]);
        self.encoders.iter().find(|job| job.spec.folder == folder)
    }

    /// Fails if a run was started with another configuration or other inputs.
    ///
    /// # Errors
    /// Names the first such run and the differences.
    pub fn check_unchanged(&self) -> Result<()> {
        self.jobs().try_for_each(Job::check_unchanged)
    }

    /// A table of what is done, and what the rest will cost.
    ///
    /// # Errors
    /// If [`Job::state`] fails.
    pub fn cost(&self, experiment: &Experiment) -> Result<Table> {
        let mut table = Table::new(&[
            "runs of",
            "all",
            "done",
            "started",
            "film passes left, at most",
            "time left",
        ]);
        if !self.encoders.is_empty() {
            table.row(Cost::of(self.encoders.iter())?.row("pre-training"));
        }
        for (index, task) in experiment.tasks.iter().enumerate() {
            let cells = self.cells.iter().filter(|cell| cell.task == index);
            table.row(Cost::of(cells.map(|cell| &cell.job))?.row(&task.name));
        }
        Ok(table)
    }
}

/// The indices of the values, the smallest first.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..values.len()).collect();
    indices.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    indices
}

fn pretraining_spec(
    experiment: &Experiment,
    encoder: &EncoderConfig,
    pretrain: &PretrainConfig,
) -> JobSpec {
    let folder = experiment.pretraining_folder(encoder);
    JobSpec {
        id: experiment.id_of(&folder),
        name: format!("pre-training of {}", encoder.name),
        program: "mflag-pretrain",
        config: pretrain.config.clone(),
        sets: set_arguments(&pretrain.set).collect(),
        folder,
    }
}

fn cell_spec(experiment: &Experiment, [task, encoder, fraction]: [usize; 3], seed: u64) -> JobSpec {
    let (task, encoder) = (&experiment.tasks[task], &experiment.encoders[encoder]);
    let fraction = experiment.fractions[fraction];
    let at_fraction = task.at.iter().filter(|at| at.fraction == fraction);
    let cell = cell_overrides(experiment.weights(encoder), fraction, seed);
    let overrides = std::iter::once(&task.set)
        .chain(at_fraction.map(|at| &at.set))
        .chain([&encoder.set, &cell]);
    let percent = percent(fraction);
    let folder = experiment
        .runs
        .join(folder_name(&task.name))
        .join(folder_name(&encoder.name))
        .join(format!("{}-seed-{seed}", folder_name(&percent)));
    JobSpec {
        id: experiment.id_of(&folder),
        name: format!("{}, {}, {percent}, seed {seed}", task.name, encoder.name),
        program: task.program.name(),
        config: task.config.clone(),
        sets: overrides.flat_map(set_arguments).collect(),
        folder,
    }
}

/// The values of a configuration that the cell sets.
fn cell_overrides(weights: Option<PathBuf>, fraction: f64, seed: u64) -> Overrides {
    let mut overrides = Overrides::from([
        ("data.fraction".to_owned(), fraction.into()),
        ("data.fraction_seed".to_owned(), seed.into()),
        ("train.seed".to_owned(), seed.into()),
    ]);
    if let Some(weights) = weights {
        let path = weights.display().to_string();
        overrides.insert("encoder.weights".to_owned(), path.into());
    }
    overrides
}
