//! The tables of an experiment as text.

use anyhow::Result;
use mflag_core::table::{Table, percent};
use mflag_metrics::bootstrap::{Difference, Interval};
use mflag_metrics::evaluation::Evaluation;
use mflag_report::experiment::{DIFFERENCE_HEAD, difference_row, format_cell};

use super::{Results, Summary};

impl Results<'_> {
    /// All tables, as text for a terminal or as Markdown.
    ///
    /// # Errors
    /// If the results lack the metric of a task, or seeds differ in their number of resamples.
    pub fn render(&self, markdown: bool) -> Result<String> {
        let show = |table: &Table| {
            if markdown {
                table.markdown()
            } else {
                table.to_string()
            }
        };
        let (title, heading) = if markdown { ("# ", "## ") } else { ("", "") };
        let mut text = format!("{title}{}\n", self.experiment.title);
        for (index, task) in self.experiment.tasks.iter().enumerate() {
            let (caption, table) = (self.caption(index), self.table(index)?);
            text += &format!("\n{heading}{}\n\n{caption}\n\n{}", task.name, show(&table));
            let differences = self.differences(index)?;
            if !differences.is_empty() {
                text += &format!("\n{}", show(&difference_table(&differences)));
            }
        }
        Ok(text)
    }

    /// The table of a task: each measured row is followed by the published row of the same encoder.
    /// The other published rows come last.
    fn table(&self, task: usize) -> Result<Table> {
        let fractions = &self.experiment.fractions;
        let heads: Vec<String> = fractions.iter().map(|f| percent(*f)).collect();
        let mut head = vec!["encoder"];
        head.extend(heads.iter().map(String::as_str));
        let mut table = Table::new(&head);
        for (index, encoder) in self.experiment.encoders.iter().enumerate() {
            let mut cells = vec![encoder.name.clone()];
            for fraction in 0..fractions.len() {
                let summary = self.summary([task, index, fraction])?;
                cells.push(summary.map_or(String::new(), summary_text));
            }
            table.row(cells);
            self.add_published(task, &mut table, &|name| name == encoder.name);
        }
        let measured = |name: &str| self.experiment.encoders.iter().any(|e| e.name == name);
        self.add_published(task, &mut table, &|name| !measured(name));
        Ok(table)
    }

    /// Adds the published rows of the encoders that `chosen` accepts.
    fn add_published(&self, task: usize, table: &mut Table, chosen: &dyn Fn(&str) -> bool) {
        let Some(published) = self.published_table(task) else {
            return;
        };
        for row in published.rows.iter().filter(|row| chosen(&row.encoder)) {
            let name = format!("{} (published)", row.encoder);
            let values = published.at(row, &self.experiment.fractions);
            table.row(std::iter::once(name).chain(values));
        }
    }

    /// The caption of a task's table: metric, films, seeds, intervals and source of published
    /// numbers.
    fn caption(&self, task: usize) -> String {
        let metric = &self.task(task).metric;
        let cells = || {
            let cells = self.cells.iter().filter(|(key, _)| key[0] == task);
            cells.map(|(_, evaluations)| evaluations)
        };
        let evaluations: Vec<&Evaluation> = cells().flatten().collect();
        let Some(first) = evaluations.first() else {
            return format!("`{metric}`: no cell has finished yet.");
        };
        let most = self.experiment.seeds.len();
        let seeds = match cells().map(Vec::len).min() {
            Some(fewest) if fewest < most => format!("{fewest} to {most} seeds"),
            _ if most == 1 => "one seed".to_owned(),
            _ => format!("{most} seeds, ± their standard deviation"),
        };
        let published = self.published_table(task);
        let source = published.map_or(String::new(), |p| format!(" Published: {}.", p.source));
        format!(
            "`{metric}` × 100 on the {} split of {}, {}; {seeds}; in brackets 95 % intervals by {} \
             resamples of these patients.{source}",
            first.split,
            first.dataset,
            first.sample(),
            first.resamples
        )
    }
}

/// Differences as a table.
fn difference_table(differences: &[(String, Difference)]) -> Table {
    let mut table = Table::new(&DIFFERENCE_HEAD);
    for (name, Difference { interval, p }) in differences {
        let Interval {
            estimate,
            low,
            high,
            ..
        } = *interval;
        table.row(difference_row(name, [estimate, low, high], *p));
    }
    table
}

/// A summary as a cell of a table.
fn summary_text(summary: Summary) -> String {
    let interval = summary.interval;
    format_cell(
        interval.estimate,
        summary.deviation,
        Some([interval.low, interval.high]),
    )
}
