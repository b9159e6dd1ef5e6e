//! The text of a report by the rules of M-FLAG's authors, whose code takes the impression and the
//! findings that MGCA's preprocessing finds, as they stand.
//!
//! 1. **Headings.** A heading follows a line break and one blank. It consists of capitals, blanks
//!    and `( ) / , -`; a colon and white space follow it. On the line in which the text below a
//!    heading begins, there is no other heading.
//! 2. **Names.** `impression`, `findings` and some misspelt forms of them name these sections, in
//!    any longer heading, too; so do `conclusion`, and views of the chest for `findings`.
//! 3. **Text.** The last impression that is not empty, and right behind it, without a blank, the
//!    last findings. White space around each is removed. All else stays: numbers of lists, `___`
//!    and line breaks.
//!
//! MGCA's code leaves out 54 reports of MIMIC-CXR by name; this module does not.

use super::headings::{FINDINGS, IMPRESSION};

/// Headings in lower case that name an impression without containing the word.
const IMPRESSIONS: [&str; 11] = [
    "conclusion",
    "imoression",
    "imperssion",
    "impession",
    "impresion",
    "impresson",
    "impressoin",
    "imprression",
    "imprssion",
    "mpression",
    // A misspelt "indication", which MGCA's table takes for an impression.
    "ndication",
];
/// Headings in lower case that name findings without containing the word.
const FINDINGS_FORMS: [&str; 7] = [
    "finding",
    "findindgs",
    "findgings",
    "findins",
    "findngs",
    "findnings",
    "finidngs",
];
/// A heading that contains one of these names another section than one that names a view.
const OTHERS: [&str; 3] = ["history", "comparison", "addendum"];
/// A heading in lower case that contains one of these precedes findings.
const VIEWS: [&str; 18] = [
    "ap and lateral",
    "ap view",
    "bone window",
    "chest",
    "frontal and",
    "frontal semi-upright",
    "frontal upright",
    "frontal view",
    "lateral and ap",
    "lateral and pa",
    "lateral view",
    "one view",
    "pa and lat",
    "pa and lateral",
    "pa view",
    "portable",
    "ribs",
    "two views",
];

/// The text of a report; `None` if it has neither impression nor findings.
pub(super) fn text(raw: &str) -> Option<String> {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let (mut impression, mut findings) = ("", "");
    for (heading, text) in sections(&raw) {
        match name(heading) {
            _ if text.is_empty() => {}
            Some(IMPRESSION) => impression = text,
            Some(_) => findings = text,
            None => {}
        }
    }
    let text = format!("{impression}{findings}");
    (!text.is_empty()).then_some(text)
}

/// The headings of a report, each with the text below it.
fn sections(raw: &str) -> Vec<(&str, &str)> {
    let mut sections = Vec::new();
    let mut found = heading(raw);
    while let Some((name, below)) = found {
        // The text's first line, which may follow the line of the heading.
        let first_line = below.find('\n').unwrap_or(below.len());
        found = heading(&below[first_line..]);
        let end = found.map_or(below.len(), |(next, _)| {
            // The line break and the blank before the next heading.
            next.as_ptr() as usize - below.as_ptr() as usize - 2
        });
        sections.push((name, below[..end].trim()));
    }
    sections
}

/// The first heading of a text, and what follows it.
fn heading(text: &str) -> Option<(&str, &str)> {
    let allowed = |c: char| c.is_ascii_uppercase() || " ()/,-".contains(c);
    text.match_indices("\n ").find_map(|(at, start)| {
        let line = &text[at + start.len()..];
        let (name, rest) = line.split_at(line.find(|c| !allowed(c))?);
        let below = rest.strip_prefix(':')?;
        let space = below.chars().next().filter(|c| c.is_whitespace())?;
        (!name.is_empty()).then(|| (name, &below[space.len_utf8()..]))
    })
}

/// The section that a heading names, if it is the impression or the findings.
fn name(heading: &str) -> Option<&'static str> {
    let heading = heading.trim().to_ascii_lowercase();
    let is = |names: &[&str]| names.contains(&heading.as_str());
    let contains = |parts: &[&str]| parts.iter().any(|part| heading.contains(part));
    if is(&IMPRESSIONS) || contains(&[IMPRESSION]) {
        Some(IMPRESSION)
    } else if is(&FINDINGS_FORMS) || contains(&[FINDINGS]) {
        Some(FINDINGS)
    } else {
        (!contains(&OTHERS) && contains(&VIEWS)).then_some(FINDINGS)
    }
}
