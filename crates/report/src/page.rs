//! The page around the sections: head, style, contents and footer. The page forbids itself to use
//! the network.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use mflag_core::table::{Table, is_number};
use sha2::{Digest, Sha256};

use crate::chart::Ids;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What all sections of a page share.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) ids: Ids,
    /// Whether the report shows the names of films.
    pub(crate) show_names: bool,
}

/// A part of the page that the contents list.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) body: Markup,
}

/// The full page.
pub(crate) fn page(title: &str, sections: &[Section], context: &Context) -> String {
    let sections: Vec<(String, &Section)> = sections
        .iter()
        .map(|section| (context.ids.next("part"), section))
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                a class="skip" href="#content" { "To the content" }
                header {
                    h1 { (title) }
                    p class="soft" {
                        "Written by mflag " (env!("CARGO_PKG_VERSION"))
                        ". Research software, not a medical device."
                    }
                }
                @if sections.len() > 1 { (contents(&sections)) }
                main id="content" tabindex="-1" {
                    @for (id, section) in &sections {
                        section aria-labelledby=(id) {
                            h2 id=(id) { (section.title) }
                            (section.body)
                        }
                    }
                }
                (footer(context))
                p id="said" class="skip" role="status" {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn head(title: &str) -> Markup {
    // Only the page's own style, script and images are allowed, so markup in a hostile name cannot
    // run.
    let policy = format!(
        "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; \
         form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// Links to the sections, each given with its `id`.
fn contents(sections: &[(String, &Section)]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                @for (id, section) in sections {
                    li { a href={ "#" (id) } { (section.title) } }
                }
            }
        }
    }
}

fn footer(context: &Context) -> Markup {
    html! {
        footer {
            p {
                "Intervals hold 95 % of the resamples of the test patients. They show how much a figure "
                "depends on the choice of patients, not on the training seed."
            }
            p {
                @if context.show_names {
                    "Films are called by their names in the store. Check that these do not identify "
                    "patients before you share this page."
                } @else {
                    "Films are called by their line in the store. Paths and the command line come from "
                    "the computer that made the run."
                }
            }
        }
    }
}

/// The digest of an inline text, as a content security policy has it.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// A table with buttons that copy it.
pub(crate) fn table(context: &Context, caption: &str, table: &Table) -> Markup {
    let id = context.ids.next("table");
    let Some((head, rows)) = table.rows().split_first() else {
        return html! {};
    };
    // Columns that hold only numbers are aligned to the right.
    let numbers = |column: usize| {
        let cells = || {
            rows.iter()
                .filter_map(|row| row.get(column))
                .filter(|cell| !cell.is_empty())
        };
        cells().next().is_some() && cells().all(|cell| is_number(cell))
    };
    let class = |column: usize| (column > 0 && numbers(column)).then_some("number");
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table id=(id) {
                caption { (caption) }
                thead { tr { @for (column, cell) in head.iter().enumerate() { th scope="col" class=[class(column)] { (cell) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } }
                                @else { td class=[class(column)] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
        div class="copy" data-table=(id) hidden {
            button type="button" data-form="markdown" aria-label={ "Copy as Markdown: " (caption) } { "Copy as Markdown" }
            button type="button" data-form="tabs" aria-label={ "Copy for a spreadsheet: " (caption) } { "Copy for a spreadsheet" }
        }
    }
}

/// An image embedded in the page.
pub(crate) fn png(bytes: &[u8], words: &str) -> Markup {
    html! { img src={ "data:image/png;base64," (STANDARD.encode(bytes)) } alt=(words); }
}
