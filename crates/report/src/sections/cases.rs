//! Films with what was found in them and what is true.

use std::path::{Component, Path};

use maud::{Markup, html};

use crate::cases::{Case, Rank};
use crate::number::short;
use crate::page::{Context, png};
use crate::run::Judged;
use crate::words::title;

/// Best, median and worst films; nothing where none were drawn.
pub(super) fn cases(context: &Context, judged: &Judged) -> Markup {
    html! {
        @if !judged.cases.is_empty() {
            h4 { "Films: best, median and worst" }
            p class="soft" { (judged.cases[0].words) }
            @for rank in Rank::ALL {
                @let of_rank: Vec<&Case> = judged.cases.iter().filter(|c| c.rank == rank).collect();
                @if !of_rank.is_empty() {
                    div class="cases" {
                        @for case in of_rank { (film(context, judged, case)) }
                    }
                }
            }
        }
    }
}

fn film(context: &Context, judged: &Judged, case: &Case) -> Markup {
    let name = if context.show_names {
        case.film.clone()
    } else {
        format!("line {}", case.line)
    };
    let told = format!(
        "{}, {}: {}",
        case.rank.name(),
        title(&case.metric),
        short(case.value)
    );
    let words = format!("Film of {name}: {told}. {}", case.words);
    let picture =
        within(&case.image).and_then(|image| std::fs::read(judged.folder.join(image)).ok());
    html! {
        figure {
            @match &picture {
                Some(bytes) => (png(bytes, &words)),
                None => p class="note" { (case.image) " cannot be read." },
            }
            figcaption { (told) br; span class="soft" { (name) } }
        }
    }
}

/// A path that stays in its folder, as that of a list which may come from elsewhere must.
fn within(path: &str) -> Option<&Path> {
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
    fn no_path_leads_out() {
        assert!(within("cases/1.png").is_some());
        for out in ["/etc/passwd", "../a.png", "cases/../../a"] {
            assert_eq!(within(out), None, "{out}");
        }
    }
}
