//! The results of the finished cells.

mod files;
mod tables;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use mflag_core::Named;
use mflag_core::suggest;
use mflag_core::table::percent;
use mflag_metrics::bootstrap::{Difference, Interval, LEVEL, Replicates};
use mflag_metrics::evaluation::Evaluation;
use mflag_store::Split;

use crate::config::{Experiment, TaskConfig};
use crate::job::JobState;
use crate::plan::Plan;
use crate::published::{Published, PublishedTable};

/// The results of an experiment, beside published numbers.
#[derive(Debug)]
pub struct Results<'a> {
    experiment: &'a Experiment,
    published: Published,
    /// The evaluations of the finished seeds, by the indices of task, encoder and fraction.
    cells: BTreeMap<[usize; 3], Vec<Evaluation>>,
    /// The rows of `runs.csv`.
    runs: Vec<[String; 6]>,
}

/// A cell, averaged over its seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Summary {
    /// The mean over the seeds with its interval by patients.
    interval: Interval,
    /// Sample standard deviation over the seeds; `None` for one seed.
    deviation: Option<f64>,
    seeds: usize,
}

impl<'a> Results<'a> {
    /// Reads the evaluations of the finished cells.
    ///
    /// # Errors
    /// If an evaluation, or the file of published numbers, cannot be read.
    pub fn read(experiment: &'a Experiment, plan: &Plan) -> Result<Results<'a>> {
        let mut cells: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for cell in &plan.cells {
            if let JobState::Done(_) = cell.job.state()? {
                let folder = cell.job.spec.folder.join(Split::Test.name());
                let evaluation = Evaluation::read(&folder).with_context(|| {
                    format!("{}: has no results on a test split", cell.job.spec.name)
                })?;
                let key = [cell.task, cell.encoder, cell.fraction];
                cells.entry(key).or_default().push(evaluation);
            }
        }
        let published = experiment.published.as_deref().map(Published::read);
        Ok(Results {
            experiment,
            published: published.transpose()?.unwrap_or_default(),
            cells,
            runs: files::run_rows(experiment, plan)?,
        })
    }

    fn task(&self, task: usize) -> &TaskConfig {
        &self.experiment.tasks[task]
    }

    /// The published table of a task.
    fn published_table(&self, task: usize) -> Option<&PublishedTable> {
        self.published.tables.get(&self.task(task).name)
    }

    /// The metric of each finished seed of a cell, without those where it is undefined.
    fn replicates(&self, key: [usize; 3]) -> Result<Vec<Replicates>> {
        let metric = &self.task(key[0]).metric;
        let mut replicates = Vec::new();
        for evaluation in self.cells.get(&key).map_or(&[][..], Vec::as_slice) {
            if evaluation.find(metric).is_none() {
                let task = &self.task(key[0]).name;
                let known = evaluation.metrics.iter().map(|m| m.metric.as_str());
                let hint = suggest::hint(metric, known);
                bail!("tasks: '{task}': the results have no metric '{metric}'{hint}");
            }
            replicates.extend(evaluation.replicates.get(metric).cloned());
        }
        Ok(replicates)
    }

    /// A cell, averaged over its seeds. `None` if no seed has finished, or the metric is undefined.
    fn summary(&self, key: [usize; 3]) -> Result<Option<Summary>> {
        let replicates = self.replicates(key)?;
        let mean = Replicates::mean(&replicates)
            .with_context(|| "the seeds of a cell differ in their number of resamples")?;
        let Some(interval) = mean.map(|mean| mean.interval(LEVEL)).transpose()?.flatten() else {
            return Ok(None);
        };
        let values: Vec<f64> = replicates.iter().map(|r| r.estimate).collect();
        Ok(Some(Summary {
            interval,
            deviation: sample_deviation(&values),
            seeds: values.len(),
        }))
    }

    /// The differences of a task with their names: each encoder minus the first at each fraction,
    /// and the pairs of `compare`.
    fn differences(&self, task: usize) -> Result<Vec<(String, Difference)>> {
        let mut differences = Vec::new();
        for [first, second] in self.pairs() {
            let mean = |[encoder, fraction]: [usize; 2]| -> Result<Option<Replicates>> {
                let replicates = self.replicates([task, encoder, fraction])?;
                Ok(Replicates::mean(&replicates)?)
            };
            let Some((a, b)) = mean(first)?.zip(mean(second)?) else {
                continue;
            };
            if let Some(difference) = a.minus(&b)?.difference(LEVEL)? {
                let name = format!("{} − {}", self.pair_name(first), self.pair_name(second));
                differences.push((name, difference));
            }
        }
        Ok(differences)
    }

    /// The pairs to compare, first minus second, each by the indices of encoder and fraction.
    fn pairs(&self) -> Vec<[[usize; 2]; 2]> {
        let experiment = self.experiment;
        let mut pairs = Vec::new();
        for encoder in 1..experiment.encoders.len() {
            pairs.extend((0..experiment.fractions.len()).map(|f| [[encoder, f], [0, f]]));
        }
        pairs.extend(experiment.compare.iter().filter_map(|pair| {
            Some([
                experiment.indices(&pair.encoder, pair.fraction)?,
                experiment.indices(&pair.than, pair.than_fraction)?,
            ])
        }));
        pairs
    }

    fn pair_name(&self, [encoder, fraction]: [usize; 2]) -> String {
        let encoder = &self.experiment.encoders[encoder].name;
        let fraction = percent(self.experiment.fractions[fraction]);
        format!("{encoder} at {fraction}")
    }
}

/// Sample standard deviation; `None` for fewer than two values.
fn sample_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_agree_with_numpy() {
        // numpy.std([1, 2, 4], ddof=1)
        let deviation = sample_deviation(&[1.0, 2.0, 4.0]).unwrap();
        assert!((deviation - 1.527_525_231_651_946_6).abs() < 1e-12);
        assert_eq!(sample_deviation(&[1.0]), None);
    }
}
