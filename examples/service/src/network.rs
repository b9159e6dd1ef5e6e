//! The network of the service: an encoder, with or without a classification head.

use std::path::PathBuf;

use anyhow::Result;
use mflag_classify::{Classification, probability};
use mflag_core::device::DeviceSettings;
use mflag_encoder::{Film, FilmEncoder, Preprocess};
use mflag_head::{Error, Model};
use mflag_train::TrainerConfig;
use serde::Serialize;
use tch::{Device, Kind};

/// The file of a network.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// An encoder of `mflag-pretrain`.
    Encoder(PathBuf),
    /// A run of `mflag-classify`, or its model.
    Model(PathBuf),
}

/// An opened network.
pub(crate) enum Network {
    Encoder(Box<FilmEncoder>),
    Classifier(Box<Model<Classification>>),
}

/// The answer to a film.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// The pooled features.
    embedding: Vec<f32>,
    /// One finding for each label, if there is a classification head.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    /// What is unusual about the film's file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

/// The scores of a label.
#[derive(Debug, Serialize)]
struct Finding {
    label: String,
    probability: f32,
    /// The probability from which the label counts as present. Classes have none: the most likely
    /// class counts as present.
    threshold: Option<f32>,
    /// `None` for a label without a threshold.
    present: Option<bool>,
}

/// A description of a network.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The length of an embedding.
    pub(crate) width: usize,
    /// The labels of the findings, in their order.
    pub(crate) labels: Vec<String>,
    pub(crate) preprocess: Preprocess,
}

impl Network {
    /// Opens the network on the device that the program's flags name.
    pub(crate) fn open(source: &Source, device: DeviceSettings) -> Result<Network> {
        Ok(match source {
            Source::Encoder(file) => {
                let (_, device) = mflag_train::setup_inference(&TrainerConfig::default(), device)?;
                Network::Encoder(Box::new(FilmEncoder::open(file, device)?))
            }
            Source::Model(run) => Network::Classifier(Box::new(Model::open_on(run, device)?)),
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
                width: model.config.encoder.network.arch.width() as usize,
                labels: model.fitted.labels.clone(),
                preprocess: model.preprocess(),
            },
        }
    }

    /// One answer for each film. The films are squares of the network's preprocessing.
    pub(crate) fn answer(&self, films: &[Film]) -> Result<Vec<Answer>> {
        match self {
            Network::Encoder(encoder) => {
                let vectors = encoder.embed(films)?;
                let answer = |row: mflag_encoder::ndarray::ArrayView1<'_, f32>| Answer {
                    embedding: row.to_vec(),
                    findings: None,
                    warnings: Vec::new(),
                };
                Ok(vectors.rows().into_iter().map(answer).collect())
            }
            Network::Classifier(model) => classify(model, films),
        }
    }
}

fn classify(model: &Model<Classification>, films: &[Film]) -> Result<Vec<Answer>> {
    let (inputs, log_odds) = model.apply(films)?;
    let [pooled] = &inputs[..] else {
        return Err(Error::Data("the classification head reads one feature".into()).into());
    };
    let pooled = pooled.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    let vectors = Vec::<Vec<f32>>::try_from(pooled)?;
    let answers = vectors.into_iter().zip(&log_odds);
    let answer = |(embedding, log_odds): (Vec<f32>, &Vec<f32>)| Answer {
        embedding,
        findings: Some(findings(model, log_odds)),
        warnings: Vec::new(),
    };
    Ok(answers.map(answer).collect())
}

fn findings(model: &Model<Classification>, log_odds: &[f32]) -> Vec<Finding> {
    let fitted = &model.fitted;
    let probabilities: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
    let present = fitted.present(&probabilities);
    let finding = |(index, label): (usize, &String)| Finding {
        label: label.clone(),
        probability: probabilities[index],
        threshold: fitted.threshold(index),
        present: present[index],
    };
    fitted.labels.iter().enumerate().map(finding).collect()
}
