//! Writes a radiologist's report of a phantom film in the form of MIMIC-CXR's reports, together
//! with the labels that CheXpert's labeller would read from it.

use mflag_core::seed;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::phrases::{OfFinding, PHRASES};
use crate::cohort::{Projection, Sex, Study, stream};
use crate::finding::{Finding, Kind, NO_FINDING, PNEUMONIA, Side};

/// The longest line in characters, its leading space included.
const WIDTH: usize = 75;

/// A report with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The text of the whole report file.
    pub text: String,
    /// What the text says about each of [`LABELS`](mflag_datasets::readers::mimic::LABELS).
    pub labels: [Mention; 14],
}

/// What a report says about a label. If it says several things, the greatest value counts, as in
/// CheXpert's labeller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mention {
    /// The report does not mention it: an empty cell in the tables.
    None,
    /// Absent: 0 in the tables.
    Absent,
    /// Uncertain: -1 in the tables.
    Uncertain,
    /// Present: 1 in the tables.
    Present,
}

impl Mention {
    /// The cell of MIMIC-CXR-JPG's label table.
    #[must_use]
    pub fn cell(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Absent => "0.0",
            Self::Uncertain => "-1.0",
            Self::Present => "1.0",
        }
    }
}

impl Report {
    /// Writes the report of a study whose film shows `findings`. The same seed, study and findings
    /// give the same report.
    #[must_use]
    pub fn new(seed: u64, study: &Study, findings: &[Finding]) -> Self {
        let rng = &mut seed::rng(seed, stream::REPORT, study.index);
        let mut writer = Writer {
            study,
            findings,
            rng,
            labels: [Mention::None; 14],
        };
        let text = writer.report();
        let mut labels = writer.labels;
        if findings.iter().all(|f| f.kind.is_device()) {
            labels[NO_FINDING] = Mention::Present;
        }
        Self { text, labels }
    }
}

/// Collects the labels while it writes the text.
struct Writer<'a> {
    study: &'a Study,
    findings: &'a [Finding],
    rng: &'a mut ChaCha8Rng,
    labels: [Mention; 14],
}

impl Writer<'_> {
    /// 95 % of the reports have all sections, 3 % only the impression, 2 % no headings at all.
    fn report(&mut self) -> String {
        let mut text = format!("{:>45}\n", "FINAL REPORT");
        match self.rng.random_range(0..100) {
            0..3 => {
                let impression = self.impression(true);
                push_section(&mut text, "IMPRESSION:", &impression);
            }
            3..5 => {
                let observations = self.observations();
                text.push_str(&wrap(&observations));
            }
            _ => self.push_sections(&mut text),
        }
        text
    }

    fn push_sections(&mut self, text: &mut String) {
        push_line(text, "EXAMINATION:", self.study.procedure());
        let indication = self.indication();
        push_line(text, "INDICATION:", &indication);
        if self.rng.random_bool(0.5) {
            push_line(text, "TECHNIQUE:", self.technique());
        }
        let comparison = self.comparison();
        push_line(text, "COMPARISON:", comparison);
        let observations = self.observations();
        push_section(text, "FINDINGS:", &observations);
        let with_devices = self.rng.random_bool(0.4);
        let impression = self.impression(with_devices);
        push_section(text, "IMPRESSION:", &impression);
    }

    fn indication(&mut self) -> String {
        let (short, long) = match self.study.sex {
            Sex::Female => ("___F", "___ year old woman"),
            Sex::Male => ("___M", "___ year old man"),
        };
        let patient = if self.rng.random_bool(0.5) {
            short
        } else {
            long
        };
        let complaint = self.pick(&PHRASES.complaints);
        if self.rng.random_bool(0.3) {
            return format!("{patient} with {complaint}.");
        }
        let question = self.pick(&PHRASES.questions);
        format!("{patient} with {complaint}  // {question}")
    }

    fn technique(&self) -> &'static str {
        match (self.study.projection, self.study.lateral) {
            (Projection::Ap, _) => "Portable AP view of the chest.",
            (Projection::Pa, true) => "Chest PA and lateral.",
            (Projection::Pa, false) => "Single PA view of the chest.",
        }
    }

    fn comparison(&mut self) -> &'static str {
        match (self.study.has_prior(), self.rng.random_range(0..3)) {
            (true, 0) => "Chest radiograph dated ___.",
            (true, 1) => "Radiograph from ___.",
            (true, _) => "___.",
            (false, 0) => "None available.",
            (false, _) => "None.",
        }
    }

    /// Describes first what the film shows, then what it does not show.
    fn observations(&mut self) -> String {
        let mut sentences: Vec<String> = Vec::new();
        for &finding in self.findings {
            sentences.push(self.describe(finding, |phrases| phrases.sentences));
            sentences.extend(self.doubt(finding));
        }
        sentences.extend(self.clear_lungs());
        sentences.extend(self.absences());
        if !self.shows(Kind::Cardiomegaly) && self.rng.random_bool(0.8) {
            sentences.push(self.pick(&PHRASES.normal_heart).to_owned());
            self.mention(Kind::Cardiomegaly.label(), Mention::Absent);
        }
        if self.rng.random_bool(0.5) {
            sentences.push(self.pick(&PHRASES.remarks).to_owned());
        }
        let sentences: Vec<String> = sentences.iter().map(|s| sentence(s)).collect();
        sentences.join("  ")
    }

    /// The findings in short, or a statement that the film is normal; devices only if
    /// `with_devices`.
    fn impression(&mut self, with_devices: bool) -> String {
        let mut points = Vec::new();
        let named = self
            .findings
            .iter()
            .filter(|f| with_devices || !f.kind.is_device());
        for &finding in named {
            points.push(self.describe(finding, |phrases| phrases.impressions));
        }
        if self.findings.iter().all(|f| f.kind.is_device()) {
            let normal = self.pick(&PHRASES.normal_impressions);
            if normal.ends_with("pneumonia") {
                self.mention(PNEUMONIA, Mention::Absent);
            }
            points.push(normal.to_owned());
        }
        let points: Vec<String> = points.iter().map(|p| sentence(p)).collect();
        if points.len() < 2 || self.rng.random_bool(0.4) {
            return points.join("  ");
        }
        let numbered = (1..)
            .zip(&points)
            .map(|(number, point)| format!("{number}. {point}"));
        numbered.collect::<Vec<_>>().join("\n")
    }

    /// Fills one of the finding's phrases, and labels the finding as present.
    fn describe(
        &mut self,
        finding: Finding,
        choices: impl Fn(&OfFinding) -> &'static [String],
    ) -> String {
        self.mention(finding.kind.label(), Mention::Present);
        let known = finding.chronic && self.study.has_prior();
        let Some(phrases) = PHRASES.of_finding(&finding, known) else {
            return String::new();
        };
        let phrase = self.pick(choices(&phrases));
        let zone = self.pick(phrases.zones);
        let side = finding.side.word();
        let place = if finding.side == Side::Bilateral {
            format!("both {zone}s")
        } else {
            format!("the {side} {zone}")
        };
        phrase
            .replace("{severity}", phrases.severity)
            .replace("{side}", side)
            .replace("{where}", &place)
            .replace("{is}", self.pick(phrases.verbs))
    }

    /// Some opacities and consolidations may be pneumonia.
    fn doubt(&mut self, finding: Finding) -> Option<String> {
        let doubtful = matches!(finding.kind, Kind::Opacity | Kind::Consolidation);
        (doubtful && self.rng.random_bool(0.35)).then(|| {
            self.mention(PNEUMONIA, Mention::Uncertain);
            self.pick(&PHRASES.doubts).to_owned()
        })
    }

    fn clear_lungs(&mut self) -> Option<String> {
        let clear = self
            .findings
            .iter()
            .all(|f| f.zone.is_none() && f.kind != Kind::Edema);
        (clear && self.rng.random_bool(0.6)).then(|| self.pick(&PHRASES.clear_lungs).to_owned())
    }

    /// Common findings that this film lacks: in one sentence, or one sentence each.
    fn absences(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for absent in &PHRASES.absent {
            if !self.shows(absent.kind) && self.rng.random_bool(absent.probability) {
                self.mention(absent.kind.label(), Mention::Absent);
                names.push(self.pick(&absent.names));
            }
        }
        let together = self.rng.random_bool(0.7);
        let per_sentence = if together { names.len().max(1) } else { 1 };
        let groups = names.chunks(per_sentence);
        let sentence = |group| {
            let negation = self.pick(&PHRASES.negations);
            negation.replace("{list}", &list(group))
        };
        groups.map(sentence).collect()
    }

    fn shows(&self, kind: Kind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }

    fn mention(&mut self, label: usize, mention: Mention) {
        self.labels[label] = self.labels[label].max(mention);
    }

    fn pick(&mut self, phrases: &'static [String]) -> &'static str {
        phrases.choose(self.rng).map_or("", String::as_str)
    }
}

/// `a`, `a or b`, `a, b, or c`.
fn list(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} or {other}"),
        [rest @ .., last] => format!("{}, or {last}", rest.join(", ")),
        [] => String::new(),
    }
}

/// Capitalises the first letter, and adds a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Appends a section of one paragraph, which starts on the line of its heading.
fn push_line(text: &mut String, heading: &str, body: &str) {
    text.push_str(&wrap(&format!("{heading}  {body}")));
    text.push_str(" \n");
}

/// Appends a section whose text starts below its heading.
fn push_section(text: &mut String, heading: &str, body: &str) {
    let gap = if text.ends_with(" \n") { "" } else { " \n" };
    text.push_str(&format!("{gap} {heading} \n \n{}", wrap(body)));
}

/// Breaks lines at [`WIDTH`]. Each line begins with a space, as in MIMIC-CXR, and two spaces
/// between sentences stay.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut width = 0;
        for word in paragraph.split(' ') {
            if width > 0 && width + 1 + word.len() > WIDTH {
                out.push('\n');
                width = 0;
            }
            if width == 0 && word.is_empty() {
                continue;
            }
            out.push(' ');
            out.push_str(word);
            width += 1 + word.len();
        }
        out.push('\n');
    }
    out
}
