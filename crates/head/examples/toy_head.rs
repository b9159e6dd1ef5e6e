//! The smallest head: one linear layer that learns the mean brightness of a film.
//!
//! It shows each part of a head. Its tests train, evaluate and predict with it. Try it on any
//! prepared store:
//!
//! ```text
//! cargo run -p mflag-head --example toy_head -- STORE RUN FILM...
//! ```
//!
//! A head with a command line of its own is a package like `crates/classify`: this code as a
//! library, and a `main` that calls `mflag_head_cli::main::<Brightness>`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mflag_core::table::write_csv;
use mflag_encoder::init::linear;
use mflag_encoder::{Arch, Features};
use mflag_head::{
    Calibrate, DataConfig, Details, Drawing, DrawnBoxes, EncoderConfig, Error, Head, HeadConfig,
    Mark, Metrics, Model, OutputKind, Overlay, Reading, Result, Settings, ShownFilm, Training,
    ViewGeometry, Writer, find_films,
};
use mflag_metrics::Counts;
use mflag_metrics::bootstrap::Bootstrap;
use mflag_metrics::catalogue::Metric;
use mflag_metrics::detection::Rect;
use mflag_store::augment::View;
use mflag_store::picture::GREY;
use mflag_store::{FilmsConfig, Record, Split, Store};
use mflag_train::{Direction, Step, TrainerConfig, upload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn, nn::Module};

/// The metric. A metric that reports should describe belongs in `mflag_metrics::catalogue`.
const MEAN_ABSOLUTE_ERROR: Metric = Metric {
    key: "mean_absolute_error",
    title: "Mean absolute error",
    note: "",
    unit: "brightness, 0 to 1",
    direction: Some(Direction::Lower),
};

/// The section `head` of the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct BrightnessConfig {
    /// Use the absolute error as the loss, instead of the squared error.
    absolute: bool,
}

impl Settings for BrightnessConfig {
    const METRICS: &'static [Metric] = &[MEAN_ABSOLUTE_ERROR];
}

/// What prediction needs beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fitted {
    /// Mean brightness of the training films. The layer predicts the difference from this mean.
    mean: f32,
    /// Mean error on the validation films, subtracted from predictions. 0 before training ends.
    offset: f32,
}

/// A film's predicted and true brightness, each from 0 to 1.
#[derive(Debug, Clone, Copy)]
struct ScoredFilm {
    predicted: f32,
    truth: f32,
}

impl ScoredFilm {
    fn error(self) -> f64 {
        f64::from(self.predicted - self.truth)
    }
}

/// The head.
#[derive(Debug)]
struct Brightness {
    layer: nn::Linear,
    mean: f32,
    absolute: bool,
}

impl Head for Brightness {
    const NAME: &'static str = "brightness";
    const CALIBRATE: Option<Calibrate<Self>> = Some(fit_offset);
    const FILM_METRIC: Option<&'static str> = Some("agreement");
    type Settings = BrightnessConfig;
    type Fitted = Fitted;
    /// Brightness of the film.
    type Annotation = f32;
    /// Brightness of the film.
    type Target = f32;
    /// Brightness of each film, `[B, 1]`.
    type Output = Tensor;
    /// Brightness, before the offset is subtracted.
    type Prediction = f32;
    type Scored = ScoredFilm;
    type Writer = BrightnessTable;

    fn is_labelled(
        _settings: &BrightnessConfig,
        _store: &Store,
    ) -> Result<impl Fn(&Record) -> bool> {
        Ok(|_: &Record| true)
    }

    fn fit(
        _settings: &BrightnessConfig,
        store: &Store,
        _view: ViewGeometry,
        train: &[usize],
    ) -> Result<Fitted> {
        let sum: f32 = train.iter().map(|&film| brightness(store, film)).sum();
        Ok(Fitted {
            mean: sum / train.len() as f32,
            offset: 0.0,
        })
    }

    fn annotate(
        _settings: &BrightnessConfig,
        _fitted: &Fitted,
        store: &Store,
        _view: ViewGeometry,
    ) -> Result<impl Fn(usize) -> Result<f32> + Sync> {
        Ok(|film| Ok(brightness(store, film)))
    }

    fn target(annotation: &f32, _view: &View) -> f32 {
        *annotation
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        _side: u32,
        settings: &BrightnessConfig,
        fitted: &Fitted,
    ) -> Result<Brightness> {
        Ok(Brightness {
            layer: linear(p / "layer", arch.width(), 1),
            mean: fitted.mean,
            absolute: settings.absolute,
        })
    }

    fn inputs(features: Features) -> Vec<Tensor> {
        vec![features.pooled]
    }

    fn forward(&self, inputs: &[Tensor], _train: bool) -> Result<Tensor> {
        let [pooled] = inputs else {
            return Err(Error::Data("a linear layer reads one feature".into()));
        };
        let difference = self.layer.forward(pooled).f_to_kind(Kind::Float)?;
        Ok(difference + f64::from(self.mean))
    }

    fn loss(&self, output: &Tensor, targets: &[f32]) -> Result<Step> {
        let targets = upload(Tensor::f_from_slice(targets)?, output.device())?;
        let error = output - targets.f_view_as(output)?;
        let error = if self.absolute {
            error.f_abs()?
        } else {
            error.f_square()?
        };
        Ok(Step {
            loss: error.f_mean(Kind::Float)?,
            parts: vec![],
        })
    }

    fn predictions(&self, output: &Tensor) -> Result<Vec<f32>> {
        Ok(Vec::try_from(output.f_flatten(0, -1)?)?)
    }

    fn score(fitted: &Fitted, prediction: &f32, target: &f32) -> Result<ScoredFilm> {
        if prediction.is_nan() {
            return Err(Error::Data("the network's output is NaN".into()));
        }
        Ok(ScoredFilm {
            predicted: prediction - fitted.offset,
            truth: *target,
        })
    }

    fn metrics<'a>(
        _settings: &BrightnessConfig,
        _fitted: &Fitted,
        scored: &'a [ScoredFilm],
        _details: Option<Details<'_>>,
    ) -> Result<Metrics<'a>> {
        let mean_absolute_error = |counts: Counts<'_>| {
            let (mut sum, mut films) = (0.0, 0.0);
            for (index, film) in scored.iter().enumerate() {
                let count = counts.of(index) as f64;
                sum += count * film.error().abs();
                films += count;
            }
            Ok((films > 0.0).then_some(sum / films))
        };
        Ok(vec![(
            MEAN_ABSOLUTE_ERROR.key.to_owned(),
            Box::new(mean_absolute_error),
        )])
    }

    fn writer(fitted: &Fitted, out: &Path, _kind: OutputKind) -> Result<BrightnessTable> {
        Ok(BrightnessTable {
            offset: fitted.offset,
            file: out.join("predictions.csv"),
            rows: Vec::new(),
        })
    }

    fn film_metric(scored: &ScoredFilm) -> Result<Option<f64>> {
        Ok(Some(1.0 - scored.error().abs()))
    }

    /// Draws each brightness as the length of a bar.
    fn draw_comparison(
        _fitted: &Fitted,
        drawing: &mut Drawing,
        prediction: &f32,
        target: &f32,
    ) -> String {
        for (y, value, mark) in [
            (2.0, target, Mark::Target),
            (8.0, prediction, Mark::Prediction),
        ] {
            let bar = Rect {
                x: 2.0,
                y,
                width: 1.0 + 40.0 * f64::from(*value),
                height: 4.0,
            };
            drawing.rect(&bar, mark);
        }
        "Orange: the true brightness; blue: the predicted one.".to_owned()
    }

    fn draw_overlay(
        fitted: &Fitted,
        _film: &ShownFilm<'_>,
        prediction: &f32,
        _boxes: DrawnBoxes,
        overlay: &mut Overlay,
    ) -> Result<()> {
        let words = format!("brightness {:.2}", prediction - fitted.offset);
        overlay.words([(&*words, GREY)]);
        Ok(())
    }
}

/// Mean grey value of a film's stored square, from 0 to 1.
fn brightness(store: &Store, film: usize) -> f32 {
    let pixels = store.pixels(film);
    let sum: u64 = pixels.iter().map(|grey| u64::from(*grey)).sum();
    sum as f32 / (255 * pixels.len()) as f32
}

/// Fits the offset to the validation films.
fn fit_offset(fitted: &Fitted, validation: &[ScoredFilm]) -> Result<Fitted> {
    let errors: f64 = validation.iter().map(|film| film.error()).sum();
    Ok(Fitted {
        offset: (errors / validation.len() as f64) as f32,
        ..fitted.clone()
    })
}

/// Writes `predictions.csv`: a row per film with the predicted brightness, and the true one, what
/// is unusual about the film, or why it could not be read.
#[derive(Debug)]
struct BrightnessTable {
    offset: f32,
    file: PathBuf,
    rows: Vec<[String; 5]>,
}

impl Writer<f32, f32> for BrightnessTable {
    type Entry = [String; 5];

    fn write(
        &self,
        film: &ShownFilm<'_>,
        prediction: &f32,
        target: Option<&f32>,
    ) -> Result<[String; 5]> {
        Ok([
            film.name.to_owned(),
            (prediction - self.offset).to_string(),
            target.map_or(String::new(), f32::to_string),
            film.warning(),
            String::new(),
        ])
    }

    fn add(&mut self, film: [String; 5]) {
        self.rows.push(film);
    }

    fn add_unreadable(&mut self, film: &str, reason: &str) {
        let (film, reason) = (film.to_owned(), reason.to_owned());
        let empty = String::new;
        self.rows.push([film, empty(), empty(), empty(), reason]);
    }

    fn finish(self) -> Result<()> {
        let header = ["film", "brightness", "truth", "warning", "error"];
        Ok(write_csv(&self.file, header, self.rows)?)
    }
}

/// Trains on the store `store` in the folder `run`, and returns the trained model.
fn train(store: &Path, run: &Path) -> Result<Model<Brightness>> {
    let mut config = HeadConfig::<BrightnessConfig> {
        data: DataConfig {
            films: FilmsConfig {
                store: store.to_owned(),
                side: 64,
                ..FilmsConfig::default()
            },
            ..DataConfig::default()
        },
        encoder: EncoderConfig {
            network: mflag_encoder::EncoderConfig {
                arch: Arch::ResNet18,
                ..mflag_encoder::EncoderConfig::default()
            },
            ..EncoderConfig::default()
        },
        train: TrainerConfig {
            epochs: 30,
            batch_size: 8,
            ..TrainerConfig::default()
        },
        ..HeadConfig::default()
    };
    config.train.optimiser.lr = 0.01;
    let store = Arc::new(Store::open(store)?);
    let mut training = Training::<Brightness>::new(config, &store, Device::Cpu)?;
    let settings = training.config().train.clone();
    mflag_train::fit(&mut training, &settings, Device::Cpu, run)?;
    training.write_model(run)?;
    Model::open(run, Device::Cpu)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(store), Some(run)) = (arguments.next(), arguments.next()) else {
        return Err("usage: toy_head STORE RUN FILM...".into());
    };
    std::fs::create_dir_all(&run)?;
    let model = train(&store, &run)?;
    let store = Arc::new(Store::open(&store)?);
    let evaluation = model.evaluate(&store, Split::Validate, Bootstrap::default(), None)?;
    println!("{}", evaluation.table());
    let films = find_films(&arguments.collect::<Vec<_>>())?.films;
    for film in model
        .predict(&films, Reading::default(), &run, None)?
        .unreadable
    {
        println!("{} could not be read: {}", film.path.display(), film.reason);
    }
    println!("predictions: {}", run.join("predictions.csv").display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_film::{Fit, Squaring};
    use mflag_head::{MODEL, Overlays};
    use mflag_prepare::prepare;
    use mflag_store::Dataset;
    use tempfile::TempDir;

    /// Films of each split.
    const SPLITS: [(Split, usize); 3] =
        [(Split::Train, 24), (Split::Validate, 8), (Split::Test, 8)];

    /// A folder with films of two near greys each in `films`, and their store in `store`.
    fn prepared() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let films = folder.path().join("films");
        std::fs::create_dir(&films).unwrap();
        let splits = SPLITS.iter().flat_map(|&(split, films)| vec![split; films]);
        let record = |(index, split): (usize, Split)| {
            let film = format!("film-{index:02}");
            let path = films.join(format!("{film}.png"));
            let grey = (10 + index * 37 % 40 * 6) as u8;
            // Two greys whose mean is `grey`: a film of one grey is refused as blank.
            let image = image::GrayImage::from_fn(64, 64, |x, _| {
                image::Luma([if x % 2 == 0 { grey - 10 } else { grey + 10 }])
            });
            image.save(&path).unwrap();
            Record::new(film, format!("patient-{index}"), path, split)
        };
        let dataset = Dataset {
            name: "greys".to_owned(),
            labels: vec![],
            records: splits.enumerate().map(record).collect(),
            left_out: vec![],
            notes: Vec::new(),
        };
        let options = prepare::Options {
            squaring: Squaring::new(64, Fit::Pad),
            ..prepare::Options::default()
        };
        prepare::prepare(&dataset, &folder.path().join("store"), &options).unwrap();
        folder
    }

    fn trained(folder: &Path) -> Model<Brightness> {
        let run = folder.join("run");
        std::fs::create_dir(&run).unwrap();
        train(&folder.join("store"), &run).unwrap()
    }

    #[test]
    fn brightness_is_learned_evaluated_and_predicted() {
        let folder = prepared();
        let folder = folder.path();
        let model = trained(folder);
        assert!(folder.join("run").join(MODEL).exists());
        assert!(
            (0.35..0.55).contains(&model.fitted.mean),
            "{:?}",
            model.fitted
        );
        assert_ne!(model.fitted.offset, 0.0, "fitted on the validation films");
        check_evaluation(&model, folder);
        check_prediction(&model, folder);
    }

    fn check_evaluation(model: &Model<Brightness>, folder: &Path) {
        let store = Arc::new(Store::open(&folder.join("store")).unwrap());
        let bootstrap = Bootstrap {
            resamples: 50,
            ..Bootstrap::default()
        };
        let out = folder.join("test");
        std::fs::create_dir(&out).unwrap();
        let evaluation = model
            .evaluate(&store, Split::Test, bootstrap, Some(&out))
            .unwrap();
        assert_eq!((evaluation.films, evaluation.patients), (8, 8));
        let metric = &evaluation.metrics[0];
        assert_eq!(metric.metric, MEAN_ABSOLUTE_ERROR.key);
        // A constant prediction has an error of about 0.2.
        assert!(metric.value.unwrap() < 0.1, "{metric:?}");
        assert!(metric.low.unwrap() <= metric.high.unwrap());
        let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
        assert_eq!(table.lines().count(), 9, "{table}");
        // Three best, two median and three worst films.
        let drawings = std::fs::read_dir(out.join("cases")).unwrap().count();
        assert_eq!(drawings, 8);
    }

    fn check_prediction(model: &Model<Brightness>, folder: &Path) {
        let films = folder.join("films");
        std::fs::write(films.join("damaged.png"), "no film").unwrap();
        let (out, overlays) = (folder.join("predicted"), folder.join("overlays"));
        std::fs::create_dir(&out).unwrap();
        std::fs::create_dir(&overlays).unwrap();
        let files = find_films(&[films.join("film-0*.png"), films.join("damaged.png")])
            .unwrap()
            .films;
        let drawn = Overlays {
            folder: &overlays,
            boxes: DrawnBoxes::default(),
        };
        let reading = Reading::default();
        let predicted = model.predict(&files, reading, &out, Some(drawn)).unwrap();
        let unreadable = predicted.unreadable;
        assert_eq!(unreadable.len(), 1);
        assert!(unreadable[0].path.ends_with("damaged.png"));
        let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
        assert_eq!(table.lines().count(), 12, "{table}");
        assert_eq!(std::fs::read_dir(&overlays).unwrap().count(), 10);
        // The mean grey of film 0 is 10, that of film 7 is 10 + 19 · 6.
        let predicted = |line: &str| line.split(',').nth(1).unwrap().parse::<f32>().unwrap();
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert!((predicted(rows[0]) - 10.0 / 255.0).abs() < 0.15, "{table}");
        assert!((predicted(rows[7]) - 124.0 / 255.0).abs() < 0.15, "{table}");
    }

    #[test]
    fn a_folder_without_a_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Model::<Brightness>::open(folder.path(), Device::Cpu)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("has no model.safetensors"),
            "{error}"
        );
    }
}
