//! Rules of an experiment that its schema cannot express.

use std::collections::BTreeSet;

use mflag_core::config::Config;
use mflag_core::suggest;
use mflag_core::table::percent;

use super::{Experiment, Pair, TaskConfig, folder_name};

impl Config for Experiment {
    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.runs.as_os_str().is_empty() {
            problems.push("runs: is missing; name the folder of the runs".into());
        }
        problems.extend(wrong_fractions(&self.fractions).next());
        self.check_names(&mut problems);
        for encoder in &self.encoders {
            if encoder.weights.is_some() && encoder.pretrain.is_some() {
                let name = &encoder.name;
                problems.push(format!(
                    "encoders: '{name}' has both weights and pretrain; remove one of them"
                ));
            }
        }
        for task in &self.tasks {
            self.check_task(task, &mut problems);
        }
        for pair in &self.compare {
            self.check_pair(pair, &mut problems);
        }
        problems
    }
}

impl Experiment {
    /// Checks that each list has an entry, and that each entry has a different folder.
    fn check_names(&self, problems: &mut Vec<String>) {
        let names: [(&str, Vec<String>); 4] = [
            ("tasks", self.tasks.iter().map(|t| t.name.clone()).collect()),
            (
                "encoders",
                self.encoders.iter().map(|e| e.name.clone()).collect(),
            ),
            (
                "fractions",
                self.fractions.iter().map(|f| percent(*f)).collect(),
            ),
            ("seeds", self.seeds.iter().map(u64::to_string).collect()),
        ];
        for (list, names) in &names {
            if names.is_empty() {
                problems.push(format!("{list}: is empty; add at least one entry"));
            }
            check_folders(list, names, problems);
        }
    }

    fn check_task(&self, task: &TaskConfig, problems: &mut Vec<String>) {
        let (family, _) = task.metric.split_once(':').unwrap_or((&task.metric, ""));
        let known = task.program.metrics().iter().map(|metric| metric.key);
        if !known.clone().any(|key| key == family) {
            let hint = suggest::hint(family, known);
            problems.push(format!(
                "tasks: '{}': {} has no metric '{family}'{hint}",
                task.name,
                task.program.name()
            ));
        }
        for at in &task.at {
            let key = format!("tasks: '{}': at", task.name);
            self.check_fraction(&key, at.fraction, problems);
        }
    }

    fn check_pair(&self, pair: &Pair, problems: &mut Vec<String>) {
        for name in [&pair.encoder, &pair.than] {
            let known = self.encoders.iter().map(|e| e.name.as_str());
            if !known.clone().any(|k| k == name) {
                let hint = suggest::hint(name, known);
                problems.push(format!("compare: no encoder is named '{name}'{hint}"));
            }
        }
        for fraction in [pair.fraction, pair.than_fraction] {
            self.check_fraction("compare", fraction, problems);
        }
    }

    fn check_fraction(&self, key: &str, fraction: f64, problems: &mut Vec<String>) {
        if !self.fractions.contains(&fraction) {
            problems.push(format!(
                "{key}: {fraction} is not one of the fractions {:?}",
                self.fractions
            ));
        }
    }
}

/// A message for each invalid fraction of the labels.
pub(crate) fn wrong_fractions(fractions: &[f64]) -> impl Iterator<Item = String> {
    let wrong = fractions.iter().filter(|f| !(**f > 0.0 && **f <= 1.0));
    wrong.map(|f| format!("fractions: {f} is not above 0 and at most 1 (1 % is 0.01)"))
}

/// Adds a problem for each name that gives no folder name, or the folder name of an earlier entry.
fn check_folders(list: &str, names: &[String], problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        let folder = folder_name(name);
        if !folder.contains(char::is_alphanumeric) {
            problems.push(format!(
                "{list}: '{name}' has no letter or digit to name the folder of its runs"
            ));
        } else if !seen.insert(folder) {
            problems.push(format!(
                "{list}: '{name}' occurs twice, or differs from another name only in capitals or \
                 punctuation"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_core::config::from_yaml;
    use std::path::Path;

    const GOOD: &str = "title: T
runs: r
tasks: [{ name: SIIM Dice, program: mflag-segment, config: c.yaml, metric: dice, at: [{ fraction: 0.01, set: { train.epochs: 3 } }] }]
encoders: [{ name: Random }, { name: M-FLAG, weights: e.safetensors }]
fractions: [0.01, 1.0]
seeds: [0]
compare: [{ encoder: M-FLAG, fraction: 0.01, than: Random, than_fraction: 1.0 }]
";

    fn problem(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        let text = GOOD.replace(from, to);
        let error = from_yaml::<Experiment>(&text, Path::new("e.yaml")).unwrap_err();
        error.to_string()
    }

    #[test]
    fn mistakes_are_named() {
        from_yaml::<Experiment>(GOOD, Path::new("e.yaml")).unwrap();
        for (from, to, expected) in [
            ("[0]", "[]", "seeds: is empty"),
            ("[0]", "[0, 0]", "seeds: '0' occurs twice"),
            ("[0.01, 1.0]", "[0.01, 2]", "fractions: 2 is not above 0"),
            (
                "[0.01, 1.0]",
                "[1.0]",
                "at: 0.01 is not one of the fractions",
            ),
            (
                "{ name: Random }",
                "{ name: m flag }",
                "'M-FLAG' occurs twice",
            ),
            ("than: Random", "than: Randm", "did you mean 'Random'?"),
            ("metric: dice", "metric: dise", "did you mean 'dice'?"),
            ("runs: r", "published: p", "runs"),
            ("runs: r", "title: r", "duplicate entry with key"),
            ("{ name: Random }", "{ name: .. }", "has no letter or digit"),
            ("mflag-segment", "mflag-segmnt", "mflag-segment"),
            (
                "weights: e.safetensors",
                "weights: e, pretrain: { config: c }",
                "remove one of them",
            ),
        ] {
            let found = problem(from, to);
            assert!(found.contains(expected), "{found}");
        }
    }
}
