//! The tables of an experiment.

use mflag_core::Named;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use mflag_core::table::{Table, percent, write_csv};
use mflag_core::{atomic, suggest};
use mflag_metrics::bootstrap::{Difference, Interval, LEVEL, Replicates};
use mflag_metrics::evaluation::Evaluation;
use mflag_report::experiment::{
    DIFFERENCE, DIFFERENCES, PUBLISHED, RESULTS, RUNS, TEXT, cell, difference,
};
use mflag_store::Split;

use crate::config::Experiments;
use crate::job::{Job, State};
use crate::plan::Plan;
use crate::published::{Published, PublishedRow, PublishedTable};

/// What the finished cells of an experiment came to.
#[derive(Debug)]
pub struct Results<'a> {
    experiments: &'a Experiments,
    published: Published,
    /// By task, encoder and fraction, as places in the experiment; one a finished seed.
    cells: BTreeMap<[usize; 3], Vec<Evaluation>>,
    /// The rows of `runs.csv`.
    runs: Vec<[String; 6]>,
}

/// The seeds of a cell together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Summary {
    /// The mean over the seeds, and its interval by patients.
    interval: Interval,
    /// Sample standard deviation over the seeds; `None` of one.
    deviation: Option<f64>,
    seeds: usize,
}

impl<'a> Results<'a> {
    /// Reads what the finished cells wrote.
    ///
    /// # Errors
    /// If a file of theirs, or that of the published numbers, cannot be read.
    pub fn read(experiments: &'a Experiments, plan: &Plan) -> Result<Results<'a>> {
        let mut cells: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for cell in &plan.cells {
            if let State::Done(_) = cell.job.state()? {
                let folder = cell.job.wanted.folder.join(Split::Test.name());
                let evaluation = Evaluation::read(&folder).with_context(|| {
                    format!("{}: no results on a test split", cell.job.wanted.name)
                })?;
                let key = [cell.task, cell.encoder, cell.fraction];
                cells.entry(key).or_default().push(evaluation);
            }
        }
        let published = experiments.published.as_deref().map(Published::read);
        Ok(Results {
            experiments,
            published: published.transpose()?.unwrap_or_default(),
            cells,
            runs: begun(experiments, plan)?,
        })
    }

    /// The seeds of a cell together; `None` before the first has finished, or where the metric is undefined.
    fn replicates(&self, key: [usize; 3]) -> Result<Vec<Replicates>> {
        let metric = &self.experiments.tasks[key[0]].metric;
        let evaluations = self.cells.get(&key).map_or(&[][..], Vec::as_slice);
        let of = |evaluation: &Evaluation| -> Result<Option<Replicates>> {
            let names = evaluation.metrics.iter().map(|m| m.metric.as_str());
            if !names.clone().any(|name| name == metric) {
                let task = &self.experiments.tasks[key[0]].name;
                bail!(
                    "tasks: '{task}': there is no metric '{metric}'{}",
                    suggest::hint(metric, names)
                );
            }
            Ok(evaluation.replicates.get(metric).cloned())
        };
        evaluations
            .iter()
            .filter_map(|e| of(e).transpose())
            .collect()
    }

    fn summary(&self, key: [usize; 3]) -> Result<Option<Summary>> {
        let replicates = self.replicates(key)?;
        let mean = Replicates::mean(&replicates)
            .with_context(|| "the seeds of a cell were judged with other numbers of resamples")?;
        let Some(interval) = mean.map(|mean| mean.interval(LEVEL)).transpose()?.flatten() else {
            return Ok(None);
        };
        let values: Vec<f64> = replicates.iter().map(|r| r.estimate).collect();
        Ok(Some(Summary {
            interval,
            deviation: deviation(&values),
            seeds: values.len(),
        }))
    }

    /// The table of a task: measured rows, each before the published one of its name, and then the other published ones.
    fn table(&self, task: usize) -> Result<Table> {
        let fractions = &self.experiments.fractions;
        let heads: Vec<String> = fractions.iter().map(|f| percent(*f)).collect();
        let mut head = vec!["encoder"];
        head.extend(heads.iter().map(String::as_str));
        let mut table = Table::new(&head);
        let published = self
            .published
            .tables
            .get(&self.experiments.tasks[task].name);
        let rows = published.map_or(&[][..], |p| &p.rows);
        let add_published = |table: &mut Table, of: &dyn Fn(&str) -> bool| {
            for row in rows.iter().filter(|row| of(&row.encoder)) {
                let values = published.map_or(vec![], |p: &PublishedTable| p.at(row, fractions));
                table.row(
                    [format!("{} (published)", row.encoder)]
                        .into_iter()
                        .chain(values),
                );
            }
        };
        for (place, encoder) in self.experiments.encoders.iter().enumerate() {
            let mut cells = vec![encoder.name.clone()];
            for fraction in 0..fractions.len() {
                let summary = self.summary([task, place, fraction])?;
                cells.push(summary.map_or(String::new(), told));
            }
            table.row(cells);
            add_published(&mut table, &|name| name == encoder.name);
        }
        let own = |name: &str| self.experiments.encoders.iter().any(|e| e.name == name);
        add_published(&mut table, &|name| !own(name));
        Ok(table)
    }

    /// Each encoder less the first, at each fraction, and the pairs that the experiment asks for.
    fn differences(&self, task: usize) -> Result<Vec<(String, Difference)>> {
        let Experiments {
            encoders,
            fractions,
            compare,
            ..
        } = self.experiments;
        // Places of an encoder and a fraction, the first less the second.
        let mut pairs: Vec<[[usize; 2]; 2]> = Vec::new();
        for encoder in 1..encoders.len() {
            pairs.extend((0..fractions.len()).map(|f| [[encoder, f], [0, f]]));
        }
        let place = |encoder: &str, fraction| self.experiments.place(encoder, fraction);
        pairs.extend(compare.iter().filter_map(|pair| {
            Some([
                place(&pair.encoder, pair.fraction)?,
                place(&pair.than, pair.than_fraction)?,
            ])
        }));
        let name = |[encoder, fraction]: [usize; 2]| {
            format!(
                "{} at {}",
                encoders[encoder].name,
                percent(fractions[fraction])
            )
        };
        let mut differences = Vec::new();
        for [one, other] in pairs {
            let mean = |[encoder, fraction]: [usize; 2]| {
                Ok::<_, anyhow::Error>(Replicates::mean(
                    &self.replicates([task, encoder, fraction])?,
                )?)
            };
            let Some((a, b)) = mean(one)?.zip(mean(other)?) else {
                continue;
            };
            if let Some(difference) = a.minus(&b)?.difference(LEVEL)? {
                differences.push((format!("{} − {}", name(one), name(other)), difference));
            }
        }
        Ok(differences)
    }

    /// What a table's figures are.
    fn caption(&self, task: usize) -> String {
        let metric = &self.experiments.tasks[task].metric;
        let evaluations: Vec<&Evaluation> = self
            .cells
            .iter()
            .filter(|(key, _)| key[0] == task)
            .flat_map(|(_, evaluations)| evaluations)
            .collect();
        let Some(first) = evaluations.first() else {
            return format!("`{metric}`: no cell has finished yet.");
        };
        let most = self.experiments.seeds.len();
        let fewest = self
            .cells
            .iter()
            .filter(|(key, _)| key[0] == task)
            .map(|(_, e)| e.len())
            .min();
        let seeds = match fewest {
            Some(fewest) if fewest < most => format!("{fewest} to {most} seeds"),
            _ if most == 1 => "one seed".to_owned(),
            _ => format!("{most} seeds, ± their standard deviation"),
        };
        let published = self
            .published
            .tables
            .get(&self.experiments.tasks[task].name);
        let source = published.map_or(String::new(), |p| format!(" Published: {}.", p.source));
        format!(
            "`{metric}` × 100 on the {} split of {}, {} films of {} patients; {seeds}; in brackets 95 % intervals by {} resamples of these patients.{source}",
            first.split, first.dataset, first.films, first.patients, first.resamples
        )
    }

    /// All tables, as text for a terminal or as Markdown.
    ///
    /// # Errors
    /// If a task's metric is not among the results.
    pub fn render(&self, markdown: bool) -> Result<String> {
        let show = |table: &Table| {
            if markdown {
                table.markdown()
            } else {
                table.to_string()
            }
        };
        let (title, heading) = if markdown { ("# ", "## ") } else { ("", "") };
        let mut text = format!("{title}{}\n", self.experiments.title);
        for (place, task) in self.experiments.tasks.iter().enumerate() {
            let (caption, table) = (self.caption(place), self.table(place)?);
            text += &format!("\n{heading}{}\n\n{caption}\n\n{}", task.name, show(&table));
            let differences = self.differences(place)?;
            if !differences.is_empty() {
                text += &format!("\n{}", show(&told_differences(&differences)));
            }
        }
        Ok(text)
    }

    /// Writes the tables into the experiment's folder, as text and as CSV (see [`mflag_report::experiment`]).
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let markdown = self.render(true)?;
        atomic::write(&folder.join(TEXT), |f| f.write_all(markdown.as_bytes()))?;
        let cells = self.cells()?;
        let (header, rows) = cells.rows().split_at(1);
        write_csv(&folder.join(RESULTS), &header[0], rows.iter().cloned())?;
        let header = ["task", "encoder", "fraction", "value", "source"];
        write_csv(&folder.join(PUBLISHED), header, self.published_rows())?;
        let header = ["task", "difference", "value", "low", "high", "p"];
        write_csv(&folder.join(DIFFERENCES), header, self.difference_rows()?)?;
        let header = ["task", "encoder", "fraction", "seed", "finished", "folder"];
        write_csv(&folder.join(RUNS), header, self.runs.iter().cloned())?;
        Ok(())
    }

    /// A row for each cell.
    ///
    /// # Errors
    /// As [`Results::render`].
    pub fn cells(&self) -> Result<Table> {
        let mut table = Table::new(&[
            "task",
            "metric",
            "encoder",
            "fraction",
            "seeds",
            "mean",
            "standard_deviation",
            "low",
            "high",
        ]);
        for key in self.cells.keys() {
            table.row(self.row(*key)?);
        }
        Ok(table)
    }

    /// The published numbers of the tasks, all fractions among them.
    fn published_rows(&self) -> Vec<[String; 5]> {
        let tables = self.experiments.tasks.iter().filter_map(|task| {
            let table = self.published.tables.get(&task.name)?;
            Some((&task.name, table))
        });
        let of_table = |(task, table): (&String, &PublishedTable)| {
            let of_row = |row: &PublishedRow| {
                let values = table.fractions.iter().zip(&row.values);
                let cell = |(fraction, value): (&f64, &String)| {
                    let (encoder, source) = (row.encoder.clone(), table.source.clone());
                    [
                        task.clone(),
                        encoder,
                        fraction.to_string(),
                        value.clone(),
                        source,
                    ]
                };
                values.map(cell).collect::<Vec<_>>()
            };
            table.rows.iter().flat_map(of_row).collect::<Vec<_>>()
        };
        tables.flat_map(of_table).collect()
    }

    fn difference_rows(&self) -> Result<Vec<[String; 6]>> {
        let mut rows = Vec::new();
        for (place, task) in self.experiments.tasks.iter().enumerate() {
            for (name, Difference { interval, p }) in self.differences(place)? {
                let [value, low, high, p] =
                    [interval.estimate, interval.low, interval.high, p].map(|v| v.to_string());
                rows.push([task.name.clone(), name, value, low, high, p]);
            }
        }
        Ok(rows)
    }

    /// The row of a cell in `results.csv`.
    fn row(&self, key @ [task, encoder, fraction]: [usize; 3]) -> Result<[String; 9]> {
        let summary = self.summary(key)?;
        let number = |of: fn(&Summary) -> f64| {
            let value = summary.as_ref().map(of);
            value.map_or(String::new(), |v| v.to_string())
        };
        let deviation = summary.and_then(|s| s.deviation);
        let task = &self.experiments.tasks[task];
        Ok([
            task.name.clone(),
            task.metric.clone(),
            self.experiments.encoders[encoder].name.clone(),
            self.experiments.fractions[fraction].to_string(),
            summary.map_or(0, |s| s.seeds).to_string(),
            number(|s| s.interval.estimate),
            deviation.map_or(String::new(), |d| d.to_string()),
            number(|s| s.interval.low),
            number(|s| s.interval.high),
        ])
    }
}

/// A row for each run that was begun.
fn begun(experiments: &Experiments, plan: &Plan) -> Result<Vec<[String; 6]>> {
    let mut rows = Vec::new();
    let mut add = |job: &Job, [task, encoder, fraction, seed]: [String; 4]| -> Result<()> {
        let state = job.state()?;
        if state != State::Missing {
            let finished = matches!(state, State::Done(_)).to_string();
            let folder = &job.wanted.folder;
            let folder = folder.strip_prefix(&experiments.runs).unwrap_or(folder);
            let folder = folder.display().to_string();
            rows.push([task, encoder, fraction, seed, finished, folder]);
        }
        Ok(())
    };
    let none = String::new;
    let pretrained = experiments.encoders.iter().filter(|e| e.pretrain.is_some());
    for (encoder, job) in pretrained.zip(&plan.encoders) {
        add(job, [none(), encoder.name.clone(), none(), none()])?;
    }
    for cell in &plan.cells {
        let of = [
            experiments.tasks[cell.task].name.clone(),
            experiments.encoders[cell.encoder].name.clone(),
            experiments.fractions[cell.fraction].to_string(),
            cell.seed.to_string(),
        ];
        add(&cell.job, of)?;
    }
    Ok(rows)
}

/// Differences as a table.
fn told_differences(differences: &[(String, Difference)]) -> Table {
    let mut table = Table::new(&DIFFERENCE);
    for (name, Difference { interval, p }) in differences {
        let Interval {
            estimate,
            low,
            high,
            ..
        } = *interval;
        table.row(difference(name, [estimate, low, high], *p));
    }
    table
}

fn told(summary: Summary) -> String {
    let Interval {
        estimate,
        low,
        high,
        ..
    } = summary.interval;
    cell(estimate, summary.deviation, Some([low, high]))
}

/// Sample standard deviation; `None` of fewer than two.
fn deviation(values: &[f64]) -> Option<f64> {
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
    fn deviations_are_those_of_samples() {
        // numpy.std([1, 2, 4], ddof=1)
        assert!((deviation(&[1.0, 2.0, 4.0]).unwrap() - 1.527_525_231_651_946_6).abs() < 1e-12);
        assert_eq!(deviation(&[1.0]), None);
    }
}
