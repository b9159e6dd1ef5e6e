//! The classification head.

use std::path::Path;

use mflag_core::Named;
use mflag_encoder::init::linear;
use mflag_encoder::{Arch, Features};
use mflag_head::{
    Calibrate, Details, DrawnBoxes, Error, Head, Metrics, OutputKind, Overlay, Result, ShownFilm,
    ViewGeometry,
};
use mflag_metrics::classification::LabelCount;
use mflag_store::augment::View;
use mflag_store::labels::Targets;
use mflag_store::picture::{Colour, GREY, colour};
use mflag_store::{Record, Split, Store};
use mflag_train::{Step, upload};
use tch::{Kind, Tensor, nn, nn::Module};

use crate::config::{ClassificationConfig, Task};
use crate::curves;
use crate::fitted::{Fitted, probability};
use crate::loss::{UNKNOWN, cross_entropy, masked_bce};
use crate::scores::{Scored, Scores};
use crate::target::Target;
use crate::writer::ScoreWriter;

/// One linear layer on the pooled features.
#[derive(Debug)]
pub struct Classification {
    classifier: nn::Linear,
    task: Task,
    dropout: f64,
}

impl Head for Classification {
    const NAME: &'static str = "classification";
    const CALIBRATE: Option<Calibrate<Self>> = Some(choose_thresholds);
    type Settings = ClassificationConfig;
    type Fitted = Fitted;
    type Annotation = Target;
    type Target = Target;
    /// Logits `[B, labels]`.
    type Output = Tensor;
    /// Log-odds of each label.
    type Prediction = Vec<f32>;
    type Scored = Scored;
    type Writer = ScoreWriter;

    fn is_labelled(
        settings: &ClassificationConfig,
        store: &Store,
    ) -> Result<impl Fn(&Record) -> bool> {
        let targets = settings.targets(&store.meta().labels)?;
        let task = settings.task;
        Ok(move |record: &Record| Target::new(task, &targets, &record.labels).is_known())
    }

    fn fit(
        settings: &ClassificationConfig,
        store: &Store,
        _view: ViewGeometry,
        train: &[usize],
    ) -> Result<Fitted> {
        let targets = settings.targets(&store.meta().labels)?;
        let films = count_films(settings.task, &targets, store, train);
        report_counts(&films, store, train.len())?;
        Ok(Fitted {
            task: settings.task,
            labels: targets.names().into_iter().map(str::to_owned).collect(),
            thresholds: None,
        })
    }

    fn unmeasurable(
        settings: &ClassificationConfig,
        store: &Store,
        films: &[usize],
    ) -> Result<Option<String>> {
        let targets = settings.targets(&store.meta().labels)?;
        let target =
            |&film: &usize| Target::new(settings.task, &targets, &store.records()[film].labels).0;
        let known: Vec<Vec<Option<bool>>> = films.iter().map(target).collect();
        let has = |label: usize, value: bool| known.iter().any(|film| film[label] == Some(value));
        let names = targets.names();
        let both = (0..names.len()).any(|label| has(label, true) && has(label, false));
        Ok((!both).then(|| {
            let names = names.join(", ");
            format!("none differ in a label: each of {names} is present in all films or in none")
        }))
    }

    fn resolve_settings(settings: &ClassificationConfig, fitted: &Fitted) -> ClassificationConfig {
        ClassificationConfig {
            labels: fitted.labels.clone(),
            ..settings.clone()
        }
    }

    fn annotate(
        settings: &ClassificationConfig,
        _fitted: &Fitted,
        store: &Store,
        _view: ViewGeometry,
    ) -> Result<impl Fn(usize) -> Result<Target> + Sync> {
        let task = settings.task;
        let targets = settings.targets(&store.meta().labels)?;
        Ok(move |film: usize| Ok(Target::new(task, &targets, &store.records()[film].labels)))
    }

    fn target(annotation: &Target, _view: &View) -> Target {
        annotation.clone()
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        _side: u32,
        settings: &ClassificationConfig,
        fitted: &Fitted,
    ) -> Result<Classification> {
        let labels = fitted.labels.len() as i64;
        Ok(Classification {
            classifier: linear(p / "classifier", arch.width(), labels),
            task: fitted.task,
            dropout: settings.dropout,
        })
    }

    fn inputs(features: Features) -> Vec<Tensor> {
        vec![features.pooled]
    }

    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Tensor> {
        let [pooled] = inputs else {
            return Err(Error::Data("a linear layer reads one feature".into()));
        };
        let pooled = pooled.f_dropout(self.dropout, train)?;
        Ok(self.classifier.forward(&pooled).f_to_kind(Kind::Float)?)
    }

    fn loss(&self, logits: &Tensor, targets: &[Target]) -> Result<Step> {
        let loss = match self.task {
            Task::MultiClass => class_loss(logits, targets)?,
            Task::MultiLabel | Task::Binary => label_loss(logits, targets)?,
        };
        Ok(Step {
            loss,
            parts: vec![],
        })
    }

    fn predictions(&self, logits: &Tensor) -> Result<Vec<Vec<f32>>> {
        let logits = Vec::<Vec<f32>>::try_from(logits)?;
        Ok(match self.task {
            Task::MultiClass => logits.iter().map(|row| against_others(row)).collect(),
            Task::MultiLabel | Task::Binary => logits,
        })
    }

    fn score(_fitted: &Fitted, log_odds: &Vec<f32>, target: &Target) -> Result<Scored> {
        Ok(Scored {
            log_odds: log_odds.clone(),
            truth: target.0.clone(),
        })
    }

    fn metrics<'a>(
        _settings: &ClassificationConfig,
        fitted: &Fitted,
        scored: &'a [Scored],
        details: Option<Details<'_>>,
    ) -> Result<Metrics<'a>> {
        let scores = Scores::new(fitted, scored)?;
        if let Some(details) = details {
            curves::write(&scores, details)?;
        }
        Ok(scores.metrics())
    }

    fn validation_metrics<'a>(
        _settings: &ClassificationConfig,
        fitted: &Fitted,
        scored: &'a [Scored],
    ) -> Result<Metrics<'a>> {
        Ok(Scores::new(fitted, scored)?.without_small().metrics())
    }

    fn label_counts(fitted: &Fitted, scored: &[Scored]) -> Result<Vec<(String, LabelCount)>> {
        Ok(Scores::new(fitted, scored)?.label_counts())
    }

    fn warn_of_few(
        settings: &ClassificationConfig,
        store: &Store,
        split: Split,
        films: &[usize],
    ) -> Result<()> {
        let targets = settings.targets(&store.meta().labels)?;
        let counts = count_films(settings.task, &targets, store, films);
        let small = counts.iter().filter(|(_, count)| count.is_small());
        let small: Vec<String> = small
            .map(|(label, count)| {
                format!("{label} ({} with, {} without)", count.with, count.without)
            })
            .collect();
        if !small.is_empty() {
            tracing::warn!(
                "fewer than {} {} films with or without a label: {}{}",
                LabelCount::FEWEST,
                split.name(),
                small.join(", "),
                consequence(split)
            );
        }
        Ok(())
    }

    fn writer(fitted: &Fitted, out: &Path, kind: OutputKind) -> Result<ScoreWriter> {
        Ok(ScoreWriter::new(fitted, out, kind))
    }

    /// Writes the names of the labels that count as present, with their probabilities.
    fn draw_overlay(
        fitted: &Fitted,
        _film: &ShownFilm<'_>,
        log_odds: &Vec<f32>,
        _boxes: DrawnBoxes,
        overlay: &mut Overlay,
    ) -> Result<()> {
        let probabilities: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
        let present = fitted.present(&probabilities);
        let words = (0..present.len())
            .filter(|label| present[*label] == Some(true))
            .map(|label| {
                let word = format!("{} {:.2}", fitted.labels[label], probabilities[label]);
                (word, colour(label))
            });
        let mut words: Vec<(String, Colour)> = words.collect();
        if words.is_empty() {
            words.push(("no label counts as present".to_owned(), GREY));
        }
        overlay.words(words.iter().map(|(word, colour)| (&**word, *colour)));
        Ok(())
    }
}

/// What follows from too few films in a split.
fn consequence(split: Split) -> &'static str {
    match split {
        Split::Train => "",
        Split::Validate => {
            ". These labels get no threshold, so they are never called, and they do not count in \
             the means that choose the best epoch, unless all labels have too few films"
        }
        Split::Test => ". Their metrics are uncertain: see the intervals",
    }
}

/// Counts the films that have and lack each label, by its name.
fn count_films<'a>(
    task: Task,
    targets: &'a Targets,
    store: &Store,
    films: &[usize],
) -> Vec<(&'a str, LabelCount)> {
    let names = targets.names().into_iter();
    let mut counts: Vec<_> = names.map(|name| (name, LabelCount::default())).collect();
    for &film in films {
        let target = Target::new(task, targets, &store.records()[film].labels);
        for ((_, count), label) in counts.iter_mut().zip(target.0) {
            count.with += usize::from(label == Some(true));
            count.without += usize::from(label == Some(false));
        }
    }
    counts
}

/// Logs how many training films have each label; an error if none has any.
fn report_counts(films: &[(&str, LabelCount)], store: &Store, train: usize) -> Result<()> {
    let names = |labels: &[&(&str, LabelCount)]| {
        let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let (with, without): (Vec<_>, Vec<_>) = films.iter().partition(|(_, count)| count.with > 0);
    if with.is_empty() {
        return Err(Error::Data(format!(
            "{}: none of the {train} training films has one of the labels {}",
            store.folder().display(),
            names(&without)
        )));
    }
    let count = |(name, count): &&(&str, LabelCount)| format!("{name} {}", count.with);
    let counts: Vec<String> = with.iter().map(count).collect();
    tracing::info!("training films by label: {}", counts.join(", "));
    if !without.is_empty() {
        tracing::warn!("no training film has {}", names(&without));
    }
    Ok(())
}

/// Cross-entropy of the films' classes.
fn class_loss(logits: &Tensor, targets: &[Target]) -> Result<Tensor> {
    let class = |target: &Target| target.class().map_or(UNKNOWN, |class| class as i64);
    let classes: Vec<i64> = targets.iter().map(class).collect();
    let classes = upload(Tensor::f_from_slice(&classes)?, logits.device())?;
    cross_entropy(logits, &classes)
}

/// Binary cross-entropy of the films' known labels.
fn label_loss(logits: &Tensor, targets: &[Target]) -> Result<Tensor> {
    let table = |value: fn(&Option<bool>) -> bool| -> Result<Tensor> {
        let labels = targets.iter().flat_map(|target| target.0.iter());
        let values: Vec<bool> = labels.map(value).collect();
        let table = Tensor::f_from_slice(&values)?.f_view_as(logits)?;
        Ok(upload(table, logits.device())?.f_to_kind(logits.kind())?)
    };
    let truth = table(|label| *label == Some(true))?;
    let known = table(Option::is_some)?;
    masked_bce(logits, &truth, &known)
}

/// Chooses the thresholds with the highest F1 on the validation films.
fn choose_thresholds(fitted: &Fitted, validation: &[Scored]) -> Result<Fitted> {
    Ok(Scores::new(fitted, validation)?.fitted)
}

/// Log-odds of each class against all other classes together: `z_c − log Σ_{j ≠ c} exp z_j`. Their
/// sigmoid is the softmax.
fn against_others(logits: &[f32]) -> Vec<f32> {
    let others = |class: usize| {
        let others = logits.iter().enumerate().filter(move |(c, _)| *c != class);
        others.map(|(_, z)| f64::from(*z))
    };
    let log_odds = |(class, z): (usize, &f32)| {
        let highest = others(class).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = others(class).map(|other| (other - highest).exp()).sum();
        (f64::from(*z) - highest - sum.ln()) as f32
    };
    logits.iter().enumerate().map(log_odds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_odds_of_classes_are_those_of_the_softmax() {
        let logits = [0.5f32, -1.25, 3.0, 2.0];
        let softmax = Tensor::from_slice(&logits).softmax(0, Kind::Double);
        let softmax = Vec::<f64>::try_from(softmax).unwrap();
        let found = against_others(&logits);
        for (found, expected) in found.iter().zip(softmax) {
            let found = f64::from(probability(*found));
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // They still rank films whose softmax in f32 is 1.
        let sure = [
            against_others(&[40.0, 0.0])[0],
            against_others(&[41.0, 0.0])[0],
        ];
        assert_eq!(sure, [40.0, 41.0]);
    }
}
