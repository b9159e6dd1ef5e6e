//! Rule 1: headings, and the sections below them.

use clap::ValueEnum;

/// Which lines are headings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Headings {
    /// Capitals at the beginning of a line, with a colon (`FINDINGS:`), as in MIMIC-CXR
    #[default]
    Capitals,
    /// Known names of sections in any case, also several on a line (`Findings: … Impression: …`),
    /// or alone on a line without a colon
    Any,
}

/// A heading has at most this many characters.
const HEADING_MAX: usize = 60;
/// A heading of [`Headings::Any`] has at most this many words.
const WORDS_MAX: usize = 5;
/// Names of at least this many letters are recognised with one letter wrong.
const FUZZY_MIN: usize = 8;

pub(super) const PREAMBLE: &str = "preamble";
pub(super) const IMPRESSION: &str = "impression";
pub(super) const FINDINGS: &str = "findings";
const FINAL_REPORT: &str = "FINAL REPORT";

/// Names of sections, each with the words by which a lowercase heading in capitals is recognised.
/// The first match counts.
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

/// Names of sections, each with its whole headings in any case.
const PHRASES: [(&str, &[&str]); 10] = [
    (
        IMPRESSION,
        &[
            "impression",
            "impressions",
            "conclusion",
            "conclusions",
            "findings and impression",
            "findings/impression",
            "impression and findings",
            "impression/findings",
            "impression and recommendation",
            "impression and recommendations",
            "conclusion and recommendation",
            "conclusion and recommendations",
            "radiologic impression",
            "radiological impression",
            "final impression",
        ],
    ),
    (
        FINDINGS,
        &[
            "finding",
            "findings",
            "radiographic findings",
            "radiologic findings",
            "radiological findings",
            "imaging findings",
            "chest findings",
            "other findings",
            "additional findings",
            "incidental findings",
        ],
    ),
    (
        "history",
        &[
            "history",
            "clinical history",
            "patient history",
            "medical history",
            "past medical history",
            "brief history",
            "pertinent history",
            "relevant history",
            "history of present illness",
            "clinical information",
            "clinical info",
            "clinical details",
            "clinical data",
            "clinical statement",
            "clinical question",
        ],
    ),
    (
        "comparison",
        &[
            "comparison",
            "comparisons",
            "comparison study",
            "comparison studies",
            "comparison exam",
            "comparison examination",
            "comparison film",
            "comparison films",
            "prior study",
            "prior studies",
            "prior exams",
            "reference exam",
        ],
    ),
    (
        "indication",
        &[
            "indication",
            "indications",
            "clinical indication",
            "clinical indications",
            "history and indication",
            "indication for study",
            "indication for exam",
            "reason for exam",
            "reason for examination",
            "reason for study",
            "reason for this exam",
            "reason for this examination",
            "reason for this study",
            "reason for visit",
        ],
    ),
    (
        "technique",
        &["technique", "techniques", "procedure", "procedures"],
    ),
    (
        "examination",
        &[
            "exam",
            "examination",
            "examinations",
            "type of exam",
            "type of examination",
            "exam type",
            "examination type",
        ],
    ),
    ("recommendations", &["recommendation", "recommendations"]),
    ("addendum", &["addendum", "addenda"]),
    ("wet read", &["wet read", "wetread"]),
];

/// The sections of a report as (name, text), in the order of the report. Lines of the text are
/// trimmed, and a text may be empty.
///
/// The name is the heading in lower case, but headings with the same meaning share a name:
/// `IMPRESSIONS`, `CONCLUSION` and `FINDINGS AND IMPRESSION` are `impression`, `FINDING` and
/// headings that name the views (`CHEST, TWO VIEWS`) are `findings`. The others are `history`,
/// `comparison`, `indication`, `examination`, `technique`, `recommendations`, `addendum` and
/// `wet read`. Text without a heading is `preamble`, which is absent if it is empty.
pub fn sections(raw: &str, headings: Headings) -> Vec<(String, String)> {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let lines = raw.lines().map(str::trim);
    let mut found = Sections::default();
    match headings {
        Headings::Capitals => lines.for_each(|line| found.add_line(line, in_capitals(line))),
        Headings::Any => lines.for_each(|line| add_any(&mut found, line)),
    }
    found.end()
}

/// The sections that were found, and the one that goes on.
struct Sections<'a> {
    found: Vec<(String, String)>,
    name: String,
    lines: Vec<&'a str>,
}

impl Default for Sections<'_> {
    fn default() -> Self {
        Sections {
            found: Vec::new(),
            name: PREAMBLE.to_owned(),
            lines: Vec::new(),
        }
    }
}

impl<'a> Sections<'a> {
    /// Adds a line: the name and the rest of its heading, or the line itself.
    fn add_line(&mut self, line: &'a str, heading: Option<(String, &'a str)>) {
        match heading {
            Some((name, rest)) => self.begin(name, rest),
            None => self.lines.push(line),
        }
    }

    fn begin(&mut self, name: String, rest: &'a str) {
        let ended = std::mem::replace(&mut self.name, name);
        let text = self.lines.join("\n").trim().to_owned();
        if ended != PREAMBLE || !text.is_empty() {
            self.found.push((ended, text));
        }
        self.lines = vec![rest];
    }

    fn end(mut self) -> Vec<(String, String)> {
        self.begin(String::new(), "");
        self.found
    }
}

/// The section that starts in a trimmed line by [`Headings::Capitals`]: its name, and the rest of
/// the line.
fn in_capitals(line: &str) -> Option<(String, &str)> {
    if line == FINAL_REPORT {
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

/// The name of the section below a heading in capitals.
fn section_name(heading: &str) -> String {
    let lower = lower_words(heading);
    known_name(&lower).map_or(lower, str::to_owned)
}

/// The name that [`NAMES`] has for a heading in lower case.
fn known_name(lower: &str) -> Option<&'static str> {
    let known = NAMES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| lower.contains(part)));
    known.map(|(name, _)| *name)
}

fn lower_words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Adds a trimmed line by [`Headings::Any`]. It may hold several sections.
fn add_any<'a>(found: &mut Sections<'a>, line: &'a str) {
    let mut rest = line;
    if let Some((name, after)) = at_start(line) {
        found.begin(name, "");
        rest = after;
    }
    while let Some((name, before, after)) = in_line(rest) {
        found.lines.push(before);
        found.begin(name, "");
        rest = after;
    }
    found.lines.push(rest);
}

/// The heading at the start of a line: its section's name, and the rest of the line.
fn at_start(line: &str) -> Option<(String, &str)> {
    if line.eq_ignore_ascii_case(FINAL_REPORT) {
        return Some((PREAMBLE.to_owned(), ""));
    }
    let separators = [":", " - ", " \u{2013} ", " \u{2014} "];
    let parts = separators.iter().filter_map(|sign| line.split_once(sign));
    let mut named =
        parts.filter_map(|(heading, rest)| Some((phrase_name(heading)?.to_owned(), rest.trim())));
    if let Some(found) = named.next() {
        return Some(found);
    }
    let is_alone = starts_with_capital(line) && !line.ends_with('.');
    if let Some(name) = phrase_name(line).filter(|_| is_alone) {
        return Some((name.to_owned(), ""));
    }
    // Headings in capitals that name a part of the body, such as LUNGS, end no section.
    let (heading, _) = line.split_once(':')?;
    let known = known_name(&lower_words(heading)).is_some();
    in_capitals(line).filter(|_| known)
}

/// The first heading inside a line: its section's name, and the text before and after it. It begins
/// with a capital, and a colon follows it.
fn in_line(line: &str) -> Option<(String, &str, &str)> {
    line.match_indices(':').find_map(|(colon, _)| {
        // Longer headings have no name.
        let first = line.floor_char_boundary(colon.saturating_sub(HEADING_MAX + 1));
        let before = &line[first..colon];
        // The beginnings of the last words before the colon, the longest heading first.
        let starts = word_starts(before).rev().take(WORDS_MAX);
        let starts: Vec<usize> = starts.collect();
        starts.into_iter().rev().find_map(|start| {
            let heading = &before[start..];
            let name = starts_with_capital(heading).then(|| phrase_name(heading))??;
            let after = line[colon + 1..].trim();
            Some((name.to_owned(), line[..first + start].trim(), after))
        })
    })
}

/// Where the words of a text begin.
fn word_starts(text: &str) -> impl DoubleEndedIterator<Item = usize> + '_ {
    text.split_whitespace()
        .map(|word| word.as_ptr() as usize - text.as_ptr() as usize)
}

fn starts_with_capital(text: &str) -> bool {
    let mut letters = text.chars().filter(|c| c.is_alphabetic());
    letters.next().is_some_and(char::is_uppercase)
}

/// The name of the section that a heading in any case begins; one letter of a long heading may be
/// wrong. `None` if the text is no heading.
fn phrase_name(heading: &str) -> Option<&'static str> {
    if heading.len() > HEADING_MAX {
        return None;
    }
    let heading = lower_words(heading.trim_matches(|c: char| !c.is_alphanumeric()));
    let find = |is_same: &dyn Fn(&str) -> bool| {
        let known = PHRASES
            .iter()
            .find(|(_, phrases)| phrases.iter().any(|phrase| is_same(phrase)));
        known.map(|(name, _)| *name)
    };
    let is_near = |phrase: &str| {
        phrase.len() >= FUZZY_MIN
            && phrase.len().abs_diff(heading.len()) <= 1
            && strsim::osa_distance(phrase, &heading) == 1
    };
    find(&|phrase| phrase == heading).or_else(|| find(&is_near))
}
