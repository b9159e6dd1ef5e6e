//! Classification as a head.

use std::path::Path;

use mflag_encoder::init::linear;
use mflag_encoder::{Arch, Features};
use mflag_head::{Calibrate, Details, Error, Head, Measures, Overlay, Purpose, Result, Shown};
use mflag_store::augment::View;
use mflag_store::picture::{Colour, GREY, colour};
use mflag_store::{Record, Store};
use mflag_train::{Step, upload};
use tch::{Kind, Tensor, nn, nn::Module};

use crate::config::{ClassificationConfig, Task};
use crate::curves;
use crate::facts::{Facts, probability, truth};
use crate::loss::{UNKNOWN, cross_entropy, masked_bce};
use crate::scores::{Case, Scores};
use crate::writer::ScoreWriter;

/// Whether each label is there; `None` where that is not known. Of classes all or nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub Vec<Option<bool>>);

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
    type Facts = Facts;
    type Annotation = Target;
    type Target = Target;
    /// Logits `[B, labels]`.
    type Output = Tensor;
    /// Log-odds of each label.
    type Prediction = Vec<f32>;
    type Case = Case;
    type Writer = ScoreWriter;

    fn is_labelled(
        settings: &ClassificationConfig,
        store: &Store,
    ) -> Result<impl Fn(&Record) -> bool> {
        let targets = settings.targets(&store.meta().labels)?;
        let known = move |record: &Record| {
            let truth = truth(settings.task, &targets, &record.labels);
            truth.iter().any(Option::is_some)
        };
        Ok(known)
    }

    fn facts(settings: &ClassificationConfig, store: &Store, train: &[usize]) -> Result<Facts> {
        let targets = settings.targets(&store.meta().labels)?;
        let mut present = vec![0; targets.names().len()];
        for &film in train {
            let truth = truth(settings.task, &targets, &store.records()[film].labels);
            for (count, truth) in present.iter_mut().zip(truth) {
                *count += usize::from(truth == Some(true));
            }
        }
        let counted = targets.names().into_iter().zip(present);
        let (with, without): (Vec<_>, Vec<_>) = counted.partition(|(_, films)| *films > 0);
        if with.is_empty() {
            return Err(Error::Data(format!(
                "{}: not one of the {} training films has one of the labels {}",
                store.folder().display(),
                train.len(),
                targets.names().join(", ")
            )));
        }
        let with: Vec<String> = with.iter().map(|(name, n)| format!("{name} {n}")).collect();
        tracing::info!("training films by label: {}", with.join(", "));
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(|(name, _)| *name).collect();
            tracing::warn!("no training film has {}", names.join(", "));
        }
        Ok(Facts {
            task: settings.task,
            labels: targets.names().into_iter().map(str::to_owned).collect(),
            thresholds: None,
        })
    }

    fn settled(settings: &ClassificationConfig, facts: &Facts) -> ClassificationConfig {
        ClassificationConfig {
            labels: facts.labels.clone(),
            ..settings.clone()
        }
    }

    fn annotate(
        settings: &ClassificationConfig,
        _facts: &Facts,
        store: &Store,
    ) -> Result<impl Fn(usize) -> Result<Target> + Sync> {
        let task = settings.task;
        let targets = settings.targets(&store.meta().labels)?;
        Ok(move |film: usize| {
            let values = &store.records()[film].labels;
            Ok(Target(truth(task, &targets, values)))
        })
    }

    fn target(annotation: &Target, _view: &View) -> Target {
        annotation.clone()
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        _side: u32,
        settings: &ClassificationConfig,
        facts: &Facts,
    ) -> Result<Classification> {
        let labels = facts.labels.len() as i64;
        Ok(Classification {
            classifier: linear(p / "classifier", arch.width(), labels),
            task: facts.task,
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
            Task::MultiClass => {
                let class = |t: &Target| {
                    let found = t.0.iter().position(|t| *t == Some(true));
                    found.map_or(UNKNOWN, |class| class as i64)
                };
                let classes: Vec<i64> = targets.iter().map(class).collect();
                let classes = upload(Tensor::f_from_slice(&classes)?, logits.device())?;
                cross_entropy(logits, &classes)?
            }
            Task::MultiLabel | Task::Binary => {
                let table = |of: fn(&Option<bool>) -> bool| -> Result<Tensor> {
                    let all = targets.iter().flat_map(|t| t.0.iter());
                    let all: Vec<bool> = all.map(of).collect();
                    let table = Tensor::f_from_slice(&all)?.f_view_as(logits)?;
                    Ok(upload(table, logits.device())?.f_to_kind(logits.kind())?)
                };
                let (truth, known) = (table(|t| *t == Some(true))?, table(Option::is_some)?);
                masked_bce(logits, &truth, &known)?
            }
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

    fn judge(_facts: &Facts, log_odds: &Vec<f32>, target: &Target) -> Result<Case> {
        Ok(Case {
            log_odds: log_odds.clone(),
            truth: target.0.clone(),
        })
    }

    fn measures<'a>(
        _settings: &ClassificationConfig,
        facts: &Facts,
        cases: &'a [Case],
        details: Option<Details<'_>>,
    ) -> Result<Measures<'a>> {
        let scores = Scores::new(facts, cases)?;
        if let Some(details) = details {
            curves::write(&scores, details)?;
        }
        Ok(scores.measures())
    }

    fn writer(facts: &Facts, out: &Path, purpose: Purpose) -> Result<ScoreWriter> {
        Ok(ScoreWriter::new(facts, out, purpose))
    }

    /// Names what is called, with its probability.
    fn draw(
        facts: &Facts,
        _film: &Shown<'_>,
        log_odds: &Vec<f32>,
        overlay: &mut Overlay,
    ) -> Result<()> {
        let probabilities: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
        let called = facts.called(&probabilities);
        let words = (0..called.len())
            .filter(|label| called[*label])
            .map(|label| {
                let word = format!("{} {:.2}", facts.labels[label], probabilities[label]);
                (word, colour(label))
            });
        let mut words: Vec<(String, Colour)> = words.collect();
        if words.is_empty() {
            words.push(("nothing is called".to_owned(), GREY));
        }
        overlay.words(words.iter().map(|(word, colour)| (&**word, *colour)));
        Ok(())
    }
}

/// The thresholds of the highest F1 on validation films.
fn choose_thresholds(facts: &Facts, validation: &[Case]) -> Result<Facts> {
    Ok(Scores::new(facts, validation)?.facts)
}

/// Log-odds of each class against all others together: `z_c − log Σ_{j ≠ c} exp z_j`, of which the sigmoid is the softmax.
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
        // Where a softmax in f32 is 1, the order of films is still there.
        let sure = [
            against_others(&[40.0, 0.0])[0],
            against_others(&[41.0, 0.0])[0],
        ];
        assert_eq!(sure, [40.0, 41.0]);
    }
}
