//! Example films with prediction and truth.

use std::path::{Component, Path};

use maud::{Markup, html};
use mflag_input::PICTURE;
use mflag_metrics::catalogue::title;

use crate::number::short;
use crate::page::{Context, png};
use crate::qualitative::{ExampleFilm, Rank};
use crate::run::EvaluationFolder;

/// The best, median and worst films; empty if none were drawn.
pub(super) fn examples(context: &Context, evaluation: &EvaluationFolder) -> Markup {
    let Some(first) = evaluation.examples.first() else {
        return html! {};
    };
    let by_rank = Rank::ALL.map(|rank| -> Vec<&ExampleFilm> {
        let films = evaluation.examples.iter();
        films.filter(|film| film.rank == rank).collect()
    });
    html! {
        h4 { "Films: best, median and worst" }
        p class="soft" { (first.words) }
        @for films in by_rank.iter().filter(|films| !films.is_empty()) {
            div class="cases" {
                @for film in films { (figure(context, &evaluation.folder, film)) }
            }
        }
    }
}

/// A film with its caption.
fn figure(context: &Context, folder: &Path, film: &ExampleFilm) -> Markup {
    let name = if context.show_names {
        film.film.clone()
    } else {
        format!("line {}", film.line)
    };
    let (rank, metric, value) = (film.rank.name(), title(&film.metric), short(film.value));
    let caption = format!("{rank}, {metric}: {value}");
    let words = format!("Film of {name}: {caption}. {}", film.words);
    let image = inside_folder(&film.image)
        .and_then(|path| mflag_input::read(&folder.join(path), &PICTURE).ok());
    html! {
        figure {
            @match &image {
                Some(bytes) => (png(bytes, &words)),
                None => p class="note" { (film.image) " cannot be read." },
            }
            figcaption { (caption) br; span class="soft" { (name) } }
        }
    }
}

/// The path; `None` if it leads out of the folder, because the list may come from an untrusted
/// source.
fn inside_folder(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    plain.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_out_of_the_folder_are_ignored() {
        assert!(inside_folder("cases/1.png").is_some());
        for out in ["/etc/passwd", "../a.png", "cases/../../a"] {
            assert_eq!(inside_folder(out), None, "{out}");
        }
    }
}
