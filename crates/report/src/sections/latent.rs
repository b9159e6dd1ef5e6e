//! The shape of the latent space over time.

use maud::{Markup, html};

use super::charts;
use super::training::OF_LATENT;
use crate::chart::{Axis, Chart, Rule, Series, Stroke};
use crate::page::Context;
use crate::run::Run;
use crate::words::title;

/// Spectra that one chart shows, at most.
const SPECTRA: usize = 6;

/// Effective rank, spectrum, alignment and uniformity; nothing for a run without a latent space.
pub(super) fn latent(context: &Context, run: &Run) -> Markup {
    let over_time =
        |title: &str, label: &str, metrics: &[(&str, &str)], level: Option<(&str, &str)>| {
            let series = metrics.iter().filter_map(|(metric, name)| {
                Some(Series {
                    name: (*name).to_owned(),
                    points: run.metrics.validation(metric)?.points.clone(),
                    ..Series::default()
                })
            });
            let level = level.and_then(|(key, name)| Some((run.stated(key)?.as_f64()?, name)));
            let chart = Chart {
                title: title.to_owned(),
                x: Axis::new("epoch").tight(),
                y: Axis::new(label),
                series: series.collect(),
                rules: level
                    .map(|(level, name)| Rule::Level(level, name.to_owned()))
                    .into_iter()
                    .collect(),
            };
            chart.shown(&context.ids)
        };
    let mut all = vec![over_time(
        "Effective rank of the latent space",
        "effective rank",
        &[
            ("rank", "encoder's output"),
            ("rank_projected", "projected films"),
        ],
        Some(("collapse.min_rank", "alarm below")),
    )];
    all.push(spectrum(context, run));
    all.push(over_time(
        &title("mean_cosine"),
        "cosine",
        &[("mean_cosine", "")],
        Some(("collapse.max_cosine", "alarm above")),
    ));
    all.push(over_time(
        &title("alignment"),
        "squared distance",
        &[("alignment", "")],
        None,
    ));
    all.push(over_time(
        &title("uniformity"),
        "log of the mean potential",
        &[("uniformity", "")],
        None,
    ));
    let all: Vec<Markup> = all.into_iter().flatten().collect();
    let has_latents = OF_LATENT
        .iter()
        .any(|m| run.metrics.validation(m).is_some());
    let collapsed: Vec<String> = run.metrics.validation("collapsed").map_or(vec![], |curve| {
        let epochs = curve.points.iter().filter(|p| p[1] > 0.0);
        epochs.map(|p| p[0].to_string()).collect()
    });
    html! {
        @if !all.is_empty() {
            h3 { "Latent space" }
            @if !collapsed.is_empty() {
                p class="note" { "The space had collapsed after epoch " (collapsed.join(", ")) ": films look alike to the encoder." }
            }
            (charts(&all))
            @if has_latents && run.metrics.spectra.is_empty() {
                p class="soft" { "No spectrum: the run is of a version that kept none, or has no validation films." }
            }
        }
    }
}

/// Singular values of the encoder's output, of epochs from the first to the last.
fn spectrum(context: &Context, run: &Run) -> Option<Markup> {
    let spectra = &run.metrics.spectra;
    let places = spread(spectra.len(), SPECTRA);
    let series = places.into_iter().map(|place| {
        let (epoch, points) = &spectra[place];
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
    let chart = Chart {
        title: "Spectrum of the encoder's output".into(),
        x: Axis::new("rank of the singular value").log(),
        y: Axis::new("singular value, as a share of the largest").log(),
        series: series.collect(),
        rules: vec![],
    };
    chart.shown(&context.ids)
}

/// At most `most` of `n` places, as far apart as can be, the first and the last among them.
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
    fn ends_are_among_the_chosen() {
        assert_eq!(spread(13, 6), [0, 2, 5, 7, 10, 12]);
        assert_eq!(spread(3, 6), [0, 1, 2]);
        assert_eq!(spread(1, 6), [0]);
        assert!(spread(0, 6).is_empty());
    }
}
