//! The latent space over time.

use maud::{Markup, html};
use mflag_metrics::catalogue::{
    ALIGNMENT, COLLAPSED, MEAN_COSINE, Metric, RANK, RANK_PROJECTED, UNIFORMITY, title_with_note,
};

use super::charts;
use super::training::OF_LATENT;
use crate::chart::{Axis, Chart, Rule, Series, Stroke};
use crate::page::Context;
use crate::run::Run;

/// The largest number of spectra in a chart.
const SPECTRA: usize = 6;

/// Effective rank, spectrum, alignment and uniformity; empty for a run without a latent space.
pub(super) fn latent(context: &Context, run: &Run) -> Markup {
    let single = |metric: &Metric| {
        let series = vec![series(run, "", metric)];
        over_time(&title_with_note(metric.key), metric.unit, series)
    };
    let mut rank = over_time(
        "Effective rank of the latent space",
        RANK.unit,
        vec![
            series(run, "encoder's output", &RANK),
            series(run, "projected films", &RANK_PROJECTED),
        ],
    );
    rank.rules = level(run, "collapse.min_rank", "alarm below");
    let mut cosine = single(&MEAN_COSINE);
    cosine.rules = level(run, "collapse.max_cosine", "alarm above");
    let all = [
        rank,
        spectrum(run),
        cosine,
        single(&ALIGNMENT),
        single(&UNIFORMITY),
    ];
    let drawn: Vec<Markup> = all.iter().filter_map(|c| c.shown(&context.ids)).collect();
    html! {
        @if !drawn.is_empty() {
            h3 { "Latent space" }
            (alarm(run))
            (charts(&drawn))
            @if run.metrics.spectra.is_empty() && has_latents(run) {
                p class="soft" {
                    "There is no spectrum: the run was made by an older version, or has no validation films."
                }
            }
        }
    }
}

/// A note with the epochs after which the space had collapsed; empty without such an epoch.
fn alarm(run: &Run) -> Markup {
    let curve = run.metrics.validation(COLLAPSED.key);
    let points = curve.map_or(&[][..], |curve| &curve.points);
    let collapsed = points.iter().filter(|point| point[1] > 0.0);
    let epochs: Vec<String> = collapsed.map(|point| point[0].to_string()).collect();
    html! {
        @if !epochs.is_empty() {
            p class="note" {
                "The space had collapsed after epoch " (epochs.join(", "))
                ": the model hardly distinguishes between films."
            }
        }
    }
}

/// Whether the run has metrics of a latent space.
fn has_latents(run: &Run) -> bool {
    OF_LATENT
        .iter()
        .any(|metric| run.metrics.validation(metric.key).is_some())
}

/// A chart by epoch, without the series that the run lacks.
fn over_time(title: &str, label: &str, series: Vec<Option<Series>>) -> Chart {
    Chart {
        title: title.to_owned(),
        x: Axis::new("epoch").tight(),
        y: Axis::new(label),
        series: series.into_iter().flatten().collect(),
        rules: vec![],
    }
}

/// A metric of validation; `None` if the run lacks it.
fn series(run: &Run, name: &str, metric: &Metric) -> Option<Series> {
    Some(Series {
        name: name.to_owned(),
        points: run.metrics.validation(metric.key)?.points.clone(),
        ..Series::default()
    })
}

/// A line at the value of a key of the configuration.
fn level(run: &Run, key: &str, name: &str) -> Vec<Rule> {
    let value = run.config_value(key).and_then(serde_json::Value::as_f64);
    let rule = value.map(|value| Rule::Level(value, name.to_owned()));
    rule.into_iter().collect()
}

/// The singular values of the encoder's output at some epochs, the first and the last among them.
fn spectrum(run: &Run) -> Chart {
    let spectra = &run.metrics.spectra;
    let series = spread(spectra.len(), SPECTRA).into_iter().map(|index| {
        let (epoch, points) = &spectra[index];
        Series {
            name: match epoch {
                0 => "untrained".to_owned(),
                epoch => format!("epoch {epoch}"),
            },
            points: points.clone(),
            stroke: if points.len() > 1 {
                Stroke::Solid
            } else {
                Stroke::Plain
            },
            ..Series::default()
        }
    });
    Chart {
        title: "Spectrum of the encoder's output".into(),
        x: Axis::new("rank of the singular value").log(),
        y: Axis::new("singular value, as a share of the largest").log(),
        series: series.collect(),
        rules: vec![],
    }
}

/// At most `most` of the indices below `n`, evenly spaced, the first and the last among them.
fn spread(n: usize, most: usize) -> Vec<usize> {
    let number = n.min(most);
    let last = n.saturating_sub(1);
    (0..number)
        .map(|i| {
            if number < 2 {
                0
            } else {
                (i * last + (number - 1) / 2) / (number - 1)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_are_chosen() {
        assert_eq!(spread(13, 6), [0, 2, 5, 7, 10, 12]);
        assert_eq!(spread(3, 6), [0, 1, 2]);
        assert_eq!(spread(1, 6), [0]);
        assert!(spread(0, 6).is_empty());
    }
}
