//! The best, median and worst films of an evaluation, drawn for its report.

use std::ops::Range;
use std::path::Path;

use mflag_core::atomic;
use mflag_report::qualitative::{CASES, ExampleFilm, Rank};

use crate::drawing::Drawing;
use crate::error::Result;
use crate::head::Head;
use crate::labelled_films::LabelledFilms;
use crate::model::Model;
use crate::network::PredictedBatch;

/// Films drawn of each rank.
const PER_RANK: usize = 3;
/// The folder of the drawings.
const FOLDER: &str = "cases";

/// A film that was chosen to be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Chosen {
    rank: Rank,
    /// The film's metric.
    value: f64,
    /// Index in the store.
    film: usize,
}

/// Draws the best, median and worst of `films`, which were scored as `scored`, into the folder
/// `out`.
pub(crate) fn write<H: Head>(
    model: &Model<H>,
    films: &LabelledFilms<H>,
    scored: &[H::Scored],
    out: &Path,
) -> Result<()> {
    let Some(metric) = H::FILM_METRIC else {
        return Ok(());
    };
    let mut values = Vec::with_capacity(scored.len());
    for (&film, scored) in films.indices().iter().zip(scored) {
        values.extend(H::film_metric(scored)?.map(|value| (value, film)));
    }
    let chosen = choose(values);
    clear(&out.join(FOLDER))?;
    let cases = if chosen.is_empty() {
        Vec::new()
    } else {
        draw(model, films, &chosen, metric, out)?
    };
    Ok(atomic::write_json(&out.join(CASES), &cases)?)
}

/// Predicts on the chosen films again and draws them.
fn draw<H: Head>(
    model: &Model<H>,
    films: &LabelledFilms<H>,
    chosen: &[Chosen],
    metric: &str,
    out: &Path,
) -> Result<Vec<ExampleFilm>> {
    let store = films.store();
    let indices = chosen.iter().map(|chosen| chosen.film).collect();
    let films = LabelledFilms::<H>::new(&model.config, &model.fitted, store.clone(), indices)?;
    let mut drawn = Vec::with_capacity(chosen.len());
    let mut chosen = chosen.iter();
    let draw_batch = |batch: &PredictedBatch<H>| -> Result<()> {
        for ((film, prediction, target), chosen) in batch.films().zip(&mut chosen) {
            let mut drawing = Drawing::new(&store.greys(film).view(films.loader().view()));
            let words = H::draw_comparison(&model.fitted, &mut drawing, prediction, target);
            let image = format!("{FOLDER}/{}.png", film + 1);
            drawing.write(&out.join(&image))?;
            drawn.push(ExampleFilm {
                rank: chosen.rank,
                metric: metric.to_owned(),
                value: chosen.value,
                line: film + 1,
                film: store.records()[film].film.clone(),
                image,
                words,
            });
        }
        Ok(())
    };
    model.network.inference(&model.config.train, || {
        model.network.predict_labelled(&films, None, draw_batch)
    })?;
    Ok(drawn)
}

/// Creates the folder of the drawings, or removes those of an earlier evaluation and nothing else.
fn clear(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| mflag_core::Error::io("create", folder, e))?;
    let remove_drawings = || -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let is_png = path.extension().is_some_and(|extension| extension == "png");
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if is_png && stem.is_some_and(|line| line.parse::<usize>().is_ok()) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    Ok(remove_drawings().map_err(|e| mflag_core::Error::io("clear", folder, e))?)
}

/// Chooses up to [`PER_RANK`] films with the highest values, as many with the lowest, and as many
/// from the middle of the rest; each film once. Of equal values, the film with the lower index
/// comes first.
fn choose(mut values: Vec<(f64, usize)>) -> Vec<Chosen> {
    values.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let best = values.len().min(PER_RANK);
    let worst = (values.len() - best).min(PER_RANK);
    let rest = best..values.len() - worst;
    let median = rest.len().min(PER_RANK);
    let start = rest.start + (rest.len() - median) / 2;
    let ranks = [
        (Rank::Best, 0..best),
        (Rank::Median, start..start + median),
        (Rank::Worst, rest.end..values.len()),
    ];
    let chosen = |(rank, range): (Rank, Range<usize>)| {
        let values = values[range].iter();
        values.map(move |&(value, film)| Chosen { rank, value, film })
    };
    ranks.into_iter().flat_map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_are_chosen_once_in_the_order_of_their_values() {
        let values = (0..100).map(|film| (f64::from(film as u32 / 2), film));
        let chosen = choose(values.collect());
        let films = |rank: Rank| -> Vec<usize> {
            let of_rank = chosen.iter().filter(|chosen| chosen.rank == rank);
            of_rank.map(|chosen| chosen.film).collect()
        };
        assert_eq!(films(Rank::Best), [98, 99, 96]);
        assert_eq!(films(Rank::Median), [50, 51, 48]);
        assert_eq!(films(Rank::Worst), [3, 0, 1]);
        for number in 0..9 {
            let few = choose((0..number).map(|film| (1.0, film)).collect());
            assert_eq!(few.len(), number);
        }
    }
}
