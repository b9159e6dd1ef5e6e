//! What answers films: an encoder alone, or one with a classification head.

use std::path::PathBuf;

use anyhow::Result;
use mflag_classify::{Classification, probability};
use mflag_core::device::DeviceSettings;
use mflag_encoder::film::FilmEncoder;
use mflag_encoder::preprocess::Preprocess;
use mflag_film::Film;
use mflag_head::{Error, Model};
use mflag_train::TrainerConfig;
use serde::Serialize;
use tch::{Device, Kind};

/// Where a network is read from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file of `mflag-pretrain`.
    Encoder(PathBuf),
    /// A run of `mflag-classify`, or its model.
    Model(PathBuf),
}

/// A network, ready to be used.
pub(crate) enum Network {
    Encoder(Box<FilmEncoder>),
    Classifier(Box<Model<Classification>>),
}

/// What a network says of a film.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// The pooled features.
    embedding: Vec<f32>,
    /// Of each label, where there is a classification head.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
}

/// What is said of a label.
#[derive(Debug, Serialize)]
struct Finding {
    label: String,
    probability: f32,
    /// From this probability on it is called present, if it has one: of classes the likeliest is.
    threshold: Option<f32>,
    present: bool,
}

/// What a network is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct About {
    /// Values of an embedding.
    pub(crate) width: usize,
    /// Labels of the findings, in order.
    pub(crate) labels: Vec<String>,
    #[serde(skip)]
    pub(crate) preprocess: Preprocess,
}

impl Network {
    /// Opens it on `device`, for the thread that calls: libtorch keeps the number of its threads by thread.
    pub(crate) fn open(source: &Source, on: DeviceSettings) -> Result<Network> {
        Ok(match source {
            Source::Encoder(file) => {
                let (_, device) =
                    mflag_train::device::setup_inference(&TrainerConfig::default(), on)?;
                Network::Encoder(Box::new(FilmEncoder::open(file, device)?))
            }
            Source::Model(run) => Network::Classifier(Box::new(Model::open_on(run, on)?)),
        })
    }

    pub(crate) fn about(&self) -> About {
        match self {
            Network::Encoder(encoder) => About {
                width: encoder.width(),
                labels: Vec::new(),
                preprocess: encoder.preprocess(),
            },
            Network::Classifier(model) => About {
                width: model.config.encoder.arch.width() as usize,
                labels: model.facts.labels.clone(),
                preprocess: model.preprocess(),
            },
        }
    }

    /// Of squares that its preprocessing made, an answer each.
    pub(crate) fn answer(&self, squares: &[Film]) -> Result<Vec<Answer>> {
        let model = match self {
            Network::Encoder(encoder) => {
                let vectors = encoder.embed(squares)?.into_iter();
                let answers = vectors.map(|embedding| Answer {
                    embedding,
                    findings: None,
                });
                return Ok(answers.collect());
            }
            Network::Classifier(model) => model,
        };
        let (inputs, log_odds) = model.apply(squares)?;
        let [pooled] = &inputs[..] else {
            return Err(Error::Data("a linear layer reads one feature".into()).into());
        };
        let pooled = pooled.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let vectors = Vec::<Vec<f32>>::try_from(pooled)?;
        let answers = vectors.into_iter().zip(&log_odds);
        let answers = answers.map(|(embedding, log_odds)| Answer {
            embedding,
            findings: Some(findings(model, log_odds)),
        });
        Ok(answers.collect())
    }
}

fn findings(model: &Model<Classification>, log_odds: &[f32]) -> Vec<Finding> {
    let facts = &model.facts;
    let probabilities: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
    let present = facts.called(&probabilities);
    let finding = |(at, label): (usize, &String)| Finding {
        label: label.clone(),
        probability: probabilities[at],
        threshold: facts.threshold(at),
        present: present[at],
    };
    facts.labels.iter().enumerate().map(finding).collect()
}
