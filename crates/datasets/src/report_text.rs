//! Report text: from a raw radiology report to the sentences that the language model reads.
//!
//! The rules, which `tests/oracle/report.py` implements a second time:
//!
//! 1. **Sections.** A head stands at the start of a line, after any indentation: at most 60 capitals, digits, blanks and
//!    `( ) / , & ' # _ -`, first a capital, at least two capitals in all, then `:` (a time such as `AT 10:30` is no
//!    head). A section runs to the next head. Text before the first head, and after a line `FINAL REPORT`, is the
//!    `preamble`. Heads become lower case, and what means the same gets one name: see [`sections`].
//! 2. **Choice.** All impressions, then all findings, in the order of the report, skipping empty ones. If there is
//!    neither, the last paragraph (blank lines divide) of the last section that is not empty; under a head this must
//!    not be the section's only paragraph, which belongs to the head (`COMPARISON: None.`).
//! 3. **Characters.** `_`, U+FFFD, control characters and all white space become blanks; typographic quotes, dashes,
//!    bullets and `×` become their ASCII likeness; other non-ASCII characters go. Runs of blanks become one, and blanks
//!    before `, . ; :` go.
//! 4. **Sentences.** They end at `.`, but not at a decimal point (`2.5 cm`, `.5 cm`: a digit follows, no letter
//!    precedes). Numbers of a list go: a sentence that is a number of one or two digits begins a list, and the next number in
//!    line at the end of a sentence (`1. Clear 2. No`) goes on with it; so `T12.` and `on day 12.` stay. Blanks and
//!    `, ; : - *` go from both ends. A sentence of fewer than two tokens (runs of letters and digits) is dropped.
//! 5. **Text.** Sentences closed by `.` (`?` and `!` stay as they are), joined by a blank. Case and other punctuation
//!    stay. A report of fewer than three tokens has no text.
//!
//! The preprocessing of MGCA, which these follow, cuts `2.5 cm` to `5 cm`; rule 4 mends that.

/// Heads are no longer than this.
const HEAD_MAX: usize = 60;
/// A sentence needs as many tokens.
const SENTENCE_MIN: usize = 2;
/// A report needs as many tokens.
const REPORT_MIN: usize = 3;
/// What goes from both ends of a sentence.
const EDGES: [char; 6] = [' ', ',', ';', ':', '-', '*'];

const PREAMBLE: &str = "preamble";
const IMPRESSION: &str = "impression";
const FINDINGS: &str = "findings";

/// Normal names of heads by what the head, in lower case, contains; the first that fits counts.
const NAMES: [(&str, &[&str]); 11] = [
    (IMPRESSION, &["impression", "conclusion"]),
    (FINDINGS, &["finding"]),
    ("history", &["history", "clinical information"]),
    ("comparison", &["comparison", "reference exam"]),
    ("addendum", &["addendum"]),
    ("indication", &["indication", "reason for"]),
    ("examination", &["exam"]),
    ("technique", &["technique"]),
    ("recommendations", &["recommendation"]),
    ("wet read", &["wet read", "wetread"]),
    // "CHEST, TWO VIEWS:" and its like stand over the findings.
    (
        FINDINGS,
        &[
            "chest",
            "portable",
            " view",
            "pa and lat",
            "ap and lat",
            "frontal",
        ],
    ),
];

/// The sections of a report in its order, as (normal name, text); lines of the text are trimmed, it may be empty.
///
/// Names are the head in lower case, except that heads which mean the same share a name: `IMPRESSIONS`, `CONCLUSION`
/// and `FINDINGS AND IMPRESSION` are `impression`; `FINDING` and heads that name the views (`CHEST, TWO VIEWS`) are
/// `findings`; likewise `history`, `comparison`, `indication`, `examination`, `technique`, `recommendations`,
/// `addendum`, `wet read`. Text under no head is `preamble`, left out where empty.
pub fn sections(raw: &str) -> Vec<(String, String)> {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let mut name = PREAMBLE.to_owned();
    let mut lines: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in raw.split('\n').map(str::trim) {
        let Some((next, rest)) = head(line) else {
            lines.push(line);
            continue;
        };
        close(&mut found, name, &lines);
        name = next;
        lines = vec![rest];
    }
    close(&mut found, name, &lines);
    found
}

/// The text of a report by the rules of [this module](self); `None` if there is none of three tokens or more.
///
/// ```
/// let raw = "FINAL REPORT\n FINDINGS: Nodule of 2.5 cm in ___. Stable.\n IMPRESSION:\n 1. Known nodule.";
/// assert_eq!(mflag_datasets::report_text::clean(raw).as_deref(), Some("Known nodule. Nodule of 2.5 cm in."));
/// ```
pub fn clean(raw: &str) -> Option<String> {
    let sections = sections(raw);
    let chosen: Vec<&str> = [IMPRESSION, FINDINGS]
        .into_iter()
        .flat_map(|wanted| sections.iter().filter(move |(name, _)| name == wanted))
        .map(|(_, text)| text.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    let chosen = if chosen.is_empty() {
        last_paragraph(&sections).into_iter().collect()
    } else {
        chosen
    };
    let tidied: Vec<String> = chosen
        .iter()
        .map(|text| tidy(text))
        .filter(|t| !t.is_empty())
        .collect();
    let text = tidied.join(" ");
    (tokens(&text) >= REPORT_MIN).then_some(text)
}

/// Rules 3 to 5 on a text without sections, such as a prompt: ASCII, one line, sentences of two tokens or more.
/// Tidying a tidied text changes nothing.
pub fn tidy(text: &str) -> String {
    let text = plain(text);
    let mut list = None;
    let mut kept = String::with_capacity(text.len() + 1);
    for sentence in split(&text) {
        let sentence = without_list_number(sentence.trim_matches(EDGES), &mut list);
        if tokens(sentence) < SENTENCE_MIN {
            continue;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(sentence);
        if !sentence.ends_with(['?', '!']) {
            kept.push('.');
        }
    }
    kept
}

/// The normal name of the head that a trimmed line begins with, and the rest of the line.
fn head(line: &str) -> Option<(String, &str)> {
    if line == "FINAL REPORT" {
        return Some((PREAMBLE.to_owned(), ""));
    }
    let (head, rest) = line.split_once(':')?;
    let is_time = head.ends_with(|c: char| c.is_ascii_digit())
        && rest.starts_with(|c: char| c.is_ascii_digit());
    let allowed =
        |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " ()/,&'#_-".contains(c);
    let is_head = head.len() <= HEAD_MAX
        && head.starts_with(|c: char| c.is_ascii_uppercase())
        && head.chars().all(allowed)
        && head.chars().filter(char::is_ascii_uppercase).count() >= 2;
    (is_head && !is_time).then(|| (normal(head), rest.trim()))
}

fn normal(head: &str) -> String {
    let lower = head
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase();
    let known = NAMES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| lower.contains(part)));
    known.map_or(lower, |(name, _)| (*name).to_owned())
}

fn close(found: &mut Vec<(String, String)>, name: String, lines: &[&str]) {
    let text = lines.join("\n").trim().to_owned();
    if name != PREAMBLE || !text.is_empty() {
        found.push((name, text));
    }
}

fn last_paragraph(sections: &[(String, String)]) -> Option<&str> {
    let (name, text) = sections.iter().rev().find(|(_, text)| !text.is_empty())?;
    match text.rsplit_once("\n\n") {
        Some((_, last)) => Some(last),
        None => (name == PREAMBLE).then_some(text),
    }
}

/// Rule 3.
fn plain(text: &str) -> String {
    let ascii: String = text.chars().filter_map(ascii).collect();
    let mut plain = String::with_capacity(ascii.len());
    for word in ascii.split_ascii_whitespace() {
        let decimal = word
            .strip_prefix('.')
            .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let glued = word.starts_with([',', '.', ';', ':']) && !decimal;
        if !plain.is_empty() && !glued {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

fn ascii(c: char) -> Option<char> {
    match c {
        '_' | '\u{fffd}' => Some(' '),
        '\u{2018}' | '\u{2019}' => Some('\''),
        '\u{201c}' | '\u{201d}' => Some('"'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{2022}' => Some('*'),
        '\u{d7}' => Some('x'),
        c if c.is_whitespace() || c.is_control() => Some(' '),
        c => c.is_ascii().then_some(c),
    }
}

/// The parts between the full stops of an ASCII text; decimal points do not divide.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let ends = move |at: usize| {
        let after_letter = at > 0 && bytes[at - 1].is_ascii_alphabetic();
        let before_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        bytes[at] == b'.' && (after_letter || !before_digit)
    };
    let stops = (0..bytes.len())
        .filter(move |&at| ends(at))
        .chain([bytes.len()]);
    let mut begin = 0;
    stops.map(move |at| {
        let part = &text[begin..at];
        begin = (at + 1).min(text.len());
        part
    })
}

/// The sentence without a closing number that belongs to a list; `list` is the list's latest number.
fn without_list_number<'a>(sentence: &'a str, list: &mut Option<u32>) -> &'a str {
    let (body, last) = sentence.rsplit_once(' ').unwrap_or(("", sentence));
    let is_number = last.len() <= 2 && last.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = is_number.then(|| last.parse::<u32>().ok()).flatten() else {
        return sentence;
    };
    if body.is_empty() || list.is_some_and(|latest| latest + 1 == number) {
        *list = Some(number);
        return body.trim_end_matches(EDGES);
    }
    sentence
}

fn tokens(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|t| !t.is_empty())
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        what: String,
        raw: String,
        sections: Vec<(String, String)>,
        clean: Option<String>,
    }

    /// Exact: the oracle states the same rules a second time.
    #[test]
    fn equals_the_oracle() {
        let golden = include_str!("../../../tests/golden/report/report.json");
        let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
        assert!(golden.len() >= 15);
        for g in golden {
            assert_eq!(sections(&g.raw), g.sections, "sections of {}", g.what);
            assert_eq!(clean(&g.raw), g.clean, "text of {}", g.what);
        }
    }

    /// Reports made of what the rules speak of, more likely to hit them than random characters.
    fn reports() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "FINDINGS:",
            "IMPRESSION:",
            "COMPARISON:",
            "FINAL REPORT",
            "CHEST, TWO VIEWS:",
            "AT 10:30",
            "\n",
            "\n \n",
            " ",
            ".",
            "1.",
            " 2. ",
            "12",
            "2.5 cm",
            ".5",
            "Lungs are clear",
            "normal",
            "___",
            "?",
            "-",
            ",",
            ":",
            ";",
            "*",
            "\u{fffd}",
            "é",
            "–",
            "×",
            "\r",
            "\t",
            "T12.",
            "a",
            "0.",
            "00.",
        ]);
        prop::collection::vec(pieces, 0..40).prop_map(|p| p.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn clean_text_keeps_its_promises(raw in prop_oneof![reports(), any::<String>()]) {
            if let Some(text) = clean(&raw) {
                prop_assert!(text.is_ascii());
                prop_assert!(!text.contains('_') && !text.contains("  "));
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert!(tokens(&text) >= REPORT_MIN);
            }
        }

        #[test]
        fn tidying_twice_changes_nothing(raw in prop_oneof![reports(), any::<String>()]) {
            let once = tidy(&raw);
            prop_assert_eq!(tidy(&once), once);
        }
    }
}
