//! Report text: turns a raw radiology report into the sentences that the language model reads.
//!
//! The rules, which `tests/oracle/report.py` implements independently:
//!
//! 1. **Sections.** A heading starts a line, after any indentation. It has at most 60 characters,
//!    which are capitals, digits, blanks and `( ) / , & ' # _ -`. Its first character is a capital,
//!    it has at least two capitals, and `:` follows it. A time such as `AT 10:30` is not a heading.
//!    A section ends at the next heading. Text before the first heading, or after a line
//!    `FINAL REPORT`, is the section `preamble`. Headings become lower case, and headings with the
//!    same meaning get the same name: see [`sections`].
//! 2. **Choice.** The text consists of all impressions, then all findings, in the order of the
//!    report. If all of these are empty, it is the last paragraph of the last section that is not
//!    empty; blank lines separate paragraphs. If that section has a heading and only one paragraph,
//!    as in `COMPARISON: None.`, the paragraph does not describe the film, and the report has no
//!    text.
//! 3. **Characters.** `_`, U+FFFD, control characters and all white space become blanks.
//!    Typographic quotes, dashes, bullets and `×` become similar ASCII characters. Other non-ASCII
//!    characters are removed. Several blanks become one, and a blank before `, . ; :` is removed.
//! 4. **Sentences.** A sentence ends at `.`, except at a decimal point (`2.5 cm`, `.5 cm`): a digit
//!    follows it, and no letter precedes it. Numbers of lists are removed: a sentence that consists
//!    of a number of one or two digits starts a list, and the list continues where a sentence ends
//!    with the next number (`1. Clear 2. No`). So `T12.` and `on day 12.` stay. Blanks and
//!    `, ; : - *` are removed from both ends. A sentence of fewer than two tokens (sequences of
//!    letters and digits) is removed.
//! 5. **Text.** Each sentence gets a `.` unless it ends with `?` or `!`, and blanks join the
//!    sentences. Case and other punctuation do not change. A report of fewer than three tokens has
//!    no text.
//!
//! The rules follow the preprocessing of MGCA, which shortens `2.5 cm` to `5 cm`. Rule 4 avoids
//! that.

/// A heading has at most this many characters.
const HEADING_MAX: usize = 60;
/// A sentence has at least this many tokens.
const SENTENCE_MIN: usize = 2;
/// The text of a report has at least this many tokens.
const REPORT_MIN: usize = 3;
/// Characters that are removed from both ends of a sentence.
const EDGES: [char; 6] = [' ', ',', ';', ':', '-', '*'];

const PREAMBLE: &str = "preamble";
const IMPRESSION: &str = "impression";
const FINDINGS: &str = "findings";

/// Names of sections, each with the words by which a lowercase heading is recognised. The first
/// match counts.
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
    // Headings such as "CHEST, TWO VIEWS:" precede the findings.
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

/// The sections of a report as (name, text), in the order of the report. Lines of the text are
/// trimmed, and a text may be empty.
///
/// The name is the heading in lower case, but headings with the same meaning share a name:
/// `IMPRESSIONS`, `CONCLUSION` and `FINDINGS AND IMPRESSION` are `impression`, `FINDING` and
/// headings that name the views (`CHEST, TWO VIEWS`) are `findings`. The others are `history`,
/// `comparison`, `indication`, `examination`, `technique`, `recommendations`, `addendum` and
/// `wet read`. Text without a heading is `preamble`, which is absent if it is empty.
pub fn sections(raw: &str) -> Vec<(String, String)> {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let mut name = PREAMBLE.to_owned();
    let mut lines: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in raw.split('\n').map(str::trim) {
        let Some((next, rest)) = heading(line) else {
            lines.push(line);
            continue;
        };
        push_section(&mut found, name, &lines);
        name = next;
        lines = vec![rest];
    }
    push_section(&mut found, name, &lines);
    found
}

/// The text of a report by the rules of [this module](self). `None` if it has fewer than three
/// tokens.
///
/// ```
/// let raw = "FINAL REPORT\n FINDINGS: Nodule of 2.5 cm in ___. Stable.\n \
///            IMPRESSION:\n 1. Known nodule.";
/// let text = mflag_datasets::report_text::clean(raw);
/// assert_eq!(text.as_deref(), Some("Known nodule. Nodule of 2.5 cm in."));
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

/// Applies rules 3 to 5 to a text without sections, such as a prompt. The result is one line of
/// ASCII. Tidying it again changes nothing.
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

/// The section that starts in a trimmed line: its name, and the rest of the line.
fn heading(line: &str) -> Option<(String, &str)> {
    if line == "FINAL REPORT" {
        return Some((PREAMBLE.to_owned(), ""));
    }
    let (heading, rest) = line.split_once(':')?;
    let is_time = heading.ends_with(|c: char| c.is_ascii_digit())
        && rest.starts_with(|c: char| c.is_ascii_digit());
    let allowed =
        |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " ()/,&'#_-".contains(c);
    let is_heading = heading.len() <= HEADING_MAX
        && heading.starts_with(|c: char| c.is_ascii_uppercase())
        && heading.chars().all(allowed)
        && heading.chars().filter(char::is_ascii_uppercase).count() >= 2;
    (is_heading && !is_time).then(|| (section_name(heading), rest.trim()))
}

/// The name of the section below a heading.
fn section_name(heading: &str) -> String {
    let lower = heading
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase();
    let known = NAMES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| lower.contains(part)));
    known.map_or(lower, |(name, _)| (*name).to_owned())
}

fn push_section(found: &mut Vec<(String, String)>, name: String, lines: &[&str]) {
    let text = lines.join("\n").trim().to_owned();
    if name != PREAMBLE || !text.is_empty() {
        found.push((name, text));
    }
}

/// The last paragraph of the report, if rule 2 allows it as the text.
fn last_paragraph(sections: &[(String, String)]) -> Option<&str> {
    let (name, text) = sections.iter().rev().find(|(_, text)| !text.is_empty())?;
    match text.rsplit_once("\n\n") {
        Some((_, last)) => Some(last),
        None => (name == PREAMBLE).then_some(text),
    }
}

/// Applies rule 3.
fn plain(text: &str) -> String {
    let ascii: String = text.chars().filter_map(ascii).collect();
    let mut plain = String::with_capacity(ascii.len());
    for word in ascii.split_ascii_whitespace() {
        let decimal = word
            .strip_prefix('.')
            .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let is_punctuation = word.starts_with([',', '.', ';', ':']) && !decimal;
        if !plain.is_empty() && !is_punctuation {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

/// The ASCII character for `c`. `None` if there is none that is similar.
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

/// Splits an ASCII text at its full stops, but not at decimal points.
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

/// Removes the number at the end of a sentence if it belongs to a list. `list` is the list's latest
/// number.
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

/// How many sequences of letters and digits the text has.
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

    /// Without tolerance: the oracle implements the same rules.
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

    /// Reports of pieces to which the rules apply. Random characters would rarely trigger a rule.
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
        fn clean_text_is_ascii_of_three_tokens(raw in prop_oneof![reports(), any::<String>()]) {
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
