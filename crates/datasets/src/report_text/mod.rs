//! Report text: turns a raw radiology report into the sentences that the language model reads.
//!
//! The rules, which `tests/oracle/report.py` implements independently:
//!
//! 1. **Sections.** By [`Headings::Capitals`], a heading starts a line, after any indentation. It
//!    has at most 60 characters, which are capitals, digits, blanks and `( ) / , & ' # _ -`. Its
//!    first character is a capital, it has at least two capitals, and `:` follows it. A time such as
//!    `AT 10:30` is not a heading.
//!
//!    By [`Headings::Any`], a heading is a known name of a section, in any case and with at most one
//!    wrong letter, if it has eight or more. It starts a line, and a colon or a dash between blanks
//!    follows it; or it is alone on a line, with a capital in front; or it is inside a line, with a
//!    capital in front and a colon behind. Known headings by the first rule count, too, but not
//!    others such as `LUNGS:`. Before, tags of HTML and the letters `\n` become line breaks.
//!
//!    A section ends at the next heading. Text before the first heading, or after a line
//!    `FINAL REPORT`, is the section `preamble`. Headings become lower case, and headings with the
//!    same meaning get the same name: see [`sections`].
//! 2. **Choice.** The text consists of all impressions, then all findings, in the order of the
//!    report. If all of these are empty, it is the last paragraph of the last section that is not
//!    empty; blank lines separate paragraphs. If that section has a heading and only one paragraph,
//!    as in `COMPARISON: None.`, the paragraph does not describe the film, and the report has no
//!    text. By [`Headings::Any`], not only the last paragraph is taken but the whole preamble, or
//!    all paragraphs of a section after its first.
//! 3. **Characters.** `_`, U+FFFD, control characters and all white space become blanks.
//!    Typographic quotes, dashes, bullets and `×` become similar ASCII characters. So do other Latin
//!    letters and signs, in composed form, by [`NonAscii::Fold`]: `é` becomes `e`, `ß` becomes `ss`,
//!    `°` becomes `deg`. Other non-ASCII characters are removed. Several blanks become one, and a
//!    blank before `, . ; :` is removed.
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
//! With [`Headings::Capitals`] and [`NonAscii::Drop`], the rules follow the preprocessing of MGCA,
//! which shortens `2.5 cm` to `5 cm`. Rule 4 avoids that.
//!
//! [`TextRules::Official`] has other rules, those of M-FLAG's authors: the last impression,
//! directly followed by the last findings, as they stand.

mod ascii;
mod headings;
mod official;

pub use ascii::NonAscii;
pub use headings::{Headings, sections};

use ascii::plain;
use headings::{FINDINGS, IMPRESSION, PREAMBLE};

/// Options of the readers of data sets with reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args)]
pub struct TextOptions {
    /// Which words of a report are headings of its sections [default: capitals for MIMIC-CXR, any
    /// for your own films]
    #[arg(long, value_enum, value_name = "RULE")]
    pub headings: Option<Headings>,
    /// What happens to letters and signs of a report that are not ASCII
    #[arg(long, value_enum, value_name = "RULE", default_value_t)]
    pub non_ascii: NonAscii,
    /// Take the text as M-FLAG's code does: the last impression, directly followed by the last
    /// findings, with list numbers, ___ and line breaks
    #[arg(long, conflicts_with_all = ["headings", "non_ascii"])]
    pub official_text: bool,
}

impl TextOptions {
    /// The rules, with the data set's own rule for headings unless another one is chosen.
    pub fn rules(&self, own: Headings) -> TextRules {
        if self.official_text {
            return TextRules::Official;
        }
        TextRules::Cleaned {
            headings: self.headings.unwrap_or(own),
            non_ascii: self.non_ascii,
        }
    }
}

/// How the text of a report is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TextRules {
    /// By the rules of [this module](self), with the choices that they leave.
    Cleaned {
        /// Which words of a report are headings.
        headings: Headings,
        /// What happens to letters that are not ASCII.
        non_ascii: NonAscii,
    },
    /// By those of M-FLAG's authors.
    Official,
}

/// A sentence has at least this many tokens.
const SENTENCE_MIN: usize = 2;
/// The text of a report has at least this many tokens.
const REPORT_MIN: usize = 3;
/// A tag of HTML has at most this many bytes.
const TAG_MAX: usize = 60;
/// Characters that are removed from both ends of a sentence.
const EDGES: [char; 6] = [' ', ',', ';', ':', '-', '*'];

impl TextRules {
    /// The rules for the reports of MIMIC-CXR.
    pub const MIMIC: TextRules = TextRules::Cleaned {
        headings: Headings::Capitals,
        non_ascii: NonAscii::Fold,
    };

    /// The text of a report. `None` if it has fewer than three tokens, or by
    /// [`TextRules::Official`] if it has neither impression nor findings.
    ///
    /// ```
    /// use mflag_datasets::report_text::TextRules;
    ///
    /// let raw = "FINAL REPORT\n FINDINGS: Nodule of 2.5 cm in ___. Stable.\n \
    ///            IMPRESSION:\n 1. Known nodule.";
    /// let text = TextRules::MIMIC.text_of(raw);
    /// assert_eq!(text.as_deref(), Some("Known nodule. Nodule of 2.5 cm in."));
    /// let text = TextRules::Official.text_of(raw);
    /// assert_eq!(text.as_deref(), Some("1. Known nodule.Nodule of 2.5 cm in ___. Stable."));
    /// ```
    pub fn text_of(&self, raw: &str) -> Option<String> {
        match *self {
            TextRules::Cleaned {
                headings,
                non_ascii,
            } => cleaned(raw, headings, non_ascii),
            TextRules::Official => official::text(raw),
        }
    }

    /// Whether letters of the report's text are removed, because they have no similar letter in
    /// ASCII.
    pub fn loses_letters(&self, raw: &str) -> bool {
        match *self {
            TextRules::Cleaned {
                headings,
                non_ascii,
            } => chosen(raw, headings)
                .iter()
                .any(|text| ascii::loses_letters(text, non_ascii)),
            TextRules::Official => false,
        }
    }
}

/// The text by [`TextRules::Cleaned`].
fn cleaned(raw: &str, headings: Headings, non_ascii: NonAscii) -> Option<String> {
    let tidied: Vec<String> = chosen(raw, headings)
        .iter()
        .map(|text| tidy(text, non_ascii))
        .filter(|text| !text.is_empty())
        .collect();
    let text = tidied.join(" ");
    (tokens(&text) >= REPORT_MIN).then_some(text)
}

/// The parts of a report that rule 2 chooses.
fn chosen(raw: &str, headings: Headings) -> Vec<String> {
    let sections = match headings {
        Headings::Capitals => sections(raw, headings),
        Headings::Any => sections(&without_markup(raw), headings),
    };
    let texts = |wanted: &str| {
        let named = sections.iter().filter(move |(name, _)| name == wanted);
        let texts = named.map(|(_, text)| text.clone());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let chosen = [texts(IMPRESSION), texts(FINDINGS)].concat();
    if !chosen.is_empty() {
        return chosen;
    }
    let other = match headings {
        Headings::Capitals => last_paragraph(&sections),
        Headings::Any => text_without_heading(&sections),
    };
    other.map(str::to_owned).into_iter().collect()
}

/// The last paragraph of the report, if rule 2 allows it as the text.
fn last_paragraph(sections: &[(String, String)]) -> Option<&str> {
    let (name, text) = sections.iter().rev().find(|(_, text)| !text.is_empty())?;
    match text.rsplit_once("\n\n") {
        Some((_, last)) => Some(last),
        None => (name == PREAMBLE).then_some(text),
    }
}

/// The text of a report without findings and impression, by [`Headings::Any`].
fn text_without_heading(sections: &[(String, String)]) -> Option<&str> {
    sections
        .iter()
        .rev()
        .find_map(|(name, text)| match text.split_once("\n\n") {
            _ if name == PREAMBLE => Some(text.as_str()),
            Some((_, after)) => Some(after),
            None => None,
        })
}

/// Turns tags of HTML and the letters `\n` into line breaks, and names of characters into these.
fn without_markup(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let end = after.bytes().take(TAG_MAX + 1).position(|b| b == b'>');
        match end {
            Some(end) if is_tag && !after[..end].contains('<') => {
                text.push('\n');
                rest = &after[end + 1..];
            }
            _ => {
                text.push('<');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    let marks = [
        ("\\r\\n", "\n"),
        ("\\n", "\n"),
        ("\\t", " "),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ];
    marks
        .iter()
        .fold(text, |text, (mark, meaning)| text.replace(mark, meaning))
}

/// Applies rules 3 to 5 to a text without sections, such as a prompt. The result is one line of
/// ASCII. Tidying it again changes nothing.
pub fn tidy(text: &str, non_ascii: NonAscii) -> String {
    let text = plain(text, non_ascii);
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
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        what: String,
        raw: String,
        sections: Vec<(String, String)>,
        clean: Option<String>,
        folded: Option<String>,
        sections_any: Vec<(String, String)>,
        any: Option<String>,
        official: Option<String>,
    }

    /// Without tolerance: the oracle implements the same rules.
    #[test]
    fn equals_the_oracle() {
        let golden = include_str!("../../../../tests/golden/report/report.json");
        let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
        assert!(golden.len() >= 40);
        let clean = |raw: &str, headings, non_ascii| {
            let rules = TextRules::Cleaned {
                headings,
                non_ascii,
            };
            rules.text_of(raw)
        };
        for g in golden {
            let (what, raw) = (&g.what, &g.raw);
            assert_eq!(
                sections(raw, Headings::Capitals),
                g.sections,
                "sections of {what}"
            );
            let any = sections(&without_markup(raw), Headings::Any);
            assert_eq!(any, g.sections_any, "sections of {what}");
            let mgca = clean(raw, Headings::Capitals, NonAscii::Drop);
            assert_eq!(mgca, g.clean, "text of {what}");
            let folded = clean(raw, Headings::Capitals, NonAscii::Fold);
            assert_eq!(folded, g.folded, "folded text of {what}");
            let any = clean(raw, Headings::Any, NonAscii::Fold);
            assert_eq!(any, g.any, "text of {what} by any heading");
            let official = TextRules::Official.text_of(raw);
            assert_eq!(official, g.official, "official text of {what}");
        }
    }

    #[test]
    fn removed_letters_are_noticed() {
        let loses = |raw, non_ascii| {
            let headings = Headings::Any;
            TextRules::Cleaned {
                headings,
                non_ascii,
            }
            .loses_letters(raw)
        };
        let reports = [
            ("Findings: Größe, Ærø, œdème, 5° ≥ ½.", false, true),
            (
                "Findings: Gro\u{308}\u{df}e of the e\u{301}dème.",
                false,
                true,
            ),
            (
                "Findings: \u{41b}\u{435}\u{433}\u{43a}\u{438}\u{435} clear.",
                true,
                true,
            ),
            ("Findings: \u{80ba} clear, \u{3b1} change.", true, true),
            ("Findings: clear – 2 × 3 cm.", false, false),
            // Only the text counts, not what rule 2 leaves out.
            ("History: \u{3b1}.\nFindings: clear.", false, false),
        ];
        for (raw, folded, dropped) in reports {
            assert_eq!(loses(raw, NonAscii::Fold), folded, "{raw}");
            assert_eq!(loses(raw, NonAscii::Drop), dropped, "{raw}");
        }
    }

    /// A heading in the forms of users' reports: its case, and what follows it.
    fn heading_forms() -> impl Strategy<Value = (fn(&str) -> String, &'static str)> {
        let cases: Vec<fn(&str) -> String> = vec![|name| name.to_uppercase(), |name| {
            name[..1].to_uppercase() + &name[1..]
        }];
        let ends = vec![": ", ":\n", " : ", ":", " - ", "\n"];
        (prop::sample::select(cases), prop::sample::select(ends))
    }

    /// Sentences without a known heading.
    fn sentences() -> impl Strategy<Value = String> {
        let sentence = "[A-Z][a-z]{3,6}( [a-df-hj-z]{3,6}){2,4}\\.";
        prop::collection::vec(sentence, 1..4).prop_map(|sentences| sentences.join(" "))
    }

    /// Sections of a report, each with its heading's name, its text, and the line break before it.
    fn written_reports() -> impl Strategy<Value = Vec<(String, String, &'static str)>> {
        let names = [
            "findings",
            "impression",
            "history",
            "comparison",
            "indication",
            "technique",
        ];
        let breaks = vec!["\n", "\n\n", " "];
        let section = (
            prop::sample::select(names.to_vec()),
            sentences(),
            prop::sample::select(breaks),
        );
        prop::collection::vec(section, 1..6).prop_map(|sections| {
            let owned =
                |(name, text, gap): (&str, String, &'static str)| (name.to_owned(), text, gap);
            sections.into_iter().map(owned).collect()
        })
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
            for headings in [Headings::Capitals, Headings::Any] {
                for non_ascii in [NonAscii::Fold, NonAscii::Drop] {
                    let Some(text) = TextRules::Cleaned { headings, non_ascii }.text_of(&raw) else {
                        continue;
                    };
                    prop_assert!(text.is_ascii());
                    prop_assert!(!text.contains('_') && !text.contains("  "));
                    prop_assert!(!text.chars().any(char::is_control));
                    prop_assert!(tokens(&text) >= REPORT_MIN);
                }
            }
        }

        #[test]
        fn tidying_twice_changes_nothing(raw in prop_oneof![reports(), any::<String>()]) {
            let once = tidy(&raw, NonAscii::Fold);
            prop_assert_eq!(tidy(&once, NonAscii::Fold), once);
        }

        #[test]
        fn accents_may_be_composed_or_not(raw in any::<String>()) {
            let decomposed: String = raw.nfd().collect();
            let composed: String = raw.nfc().collect();
            prop_assert_eq!(tidy(&decomposed, NonAscii::Fold), tidy(&composed, NonAscii::Fold));
        }

        /// Findings and impressions are the text, in whole; other sections are not.
        #[test]
        fn headings_are_found_in_any_form(
            report in written_reports(),
            (heading, end) in heading_forms(),
        ) {
            let mut raw = String::new();
            for (name, text, gap) in &report {
                // Inside a line, a heading needs its colon.
                let gap = if end.contains(':') { *gap } else { "\n" };
                raw += &format!("{gap}{}{end}{text}", heading(name));
            }
            let of = |wanted: &str| -> Vec<&str> {
                let sections = report.iter().filter(|(name, _, _)| name == wanted);
                sections.map(|(_, text, _)| text.as_str()).collect()
            };
            let expected = [of("impression"), of("findings")].concat().join(" ");
            let expected = (!expected.is_empty()).then_some(expected);
            let rules = TextRules::Cleaned { headings: Headings::Any, non_ascii: NonAscii::Fold };
            prop_assert_eq!(rules.text_of(&raw), expected, "{}", raw);
        }
    }
}
