//! A radiologist's report of a phantom film, in the layout of MIMIC-CXR's, and what it says on CheXpert's labels.

use mflag_core::seed;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::cohort::{Projection, Sex, Study, stream};
use super::finding::{Finding, Kind, NO_FINDING, PNEUMONIA, Side};
use super::phrase;

/// Columns at which lines are broken.
const WIDTH: usize = 75;

/// A report with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The whole file.
    pub text: String,
    /// What the text says on each of [`LABELS`](mflag_datasets::readers::mimic::LABELS).
    pub labels: [Mention; 14],
}

/// What a report says on a label. Where it says several things, the greatest counts, as for CheXpert's labeller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mention {
    /// Nothing.
    None,
    /// That it is absent: 0 in the tables.
    Absent,
    /// That it may be present: -1 in the tables.
    Uncertain,
    /// That it is present: 1 in the tables.
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
    /// The report of a study whose film shows `findings`; the same for the same `seed` and study.
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

struct Writer<'a> {
    study: &'a Study,
    findings: &'a [Finding],
    rng: &'a mut ChaCha8Rng,
    labels: [Mention; 14],
}

impl Writer<'_> {
    /// Most reports have all sections; about 3 % the impression alone, 2 % no head at all.
    fn report(&mut self) -> String {
        let mut text = format!("{:>45}\n", "FINAL REPORT");
        match self.rng.random_range(0..100) {
            0..3 => {
                let impression = self.impression(true);
                section(&mut text, "IMPRESSION:", &impression);
            }
            3..5 => {
                let findings = self.observations();
                text.push_str(&wrap(&findings));
            }
            _ => self.sections(&mut text),
        }
        text
    }

    fn sections(&mut self, text: &mut String) {
        line(text, "EXAMINATION:", self.study.procedure());
        let indication = self.indication();
        line(text, "INDICATION:", &indication);
        if self.rng.random_bool(0.5) {
            line(text, "TECHNIQUE:", self.technique());
        }
        let comparison = match (self.study.has_prior(), self.rng.random_range(0..3)) {
            (true, 0) => "Chest radiograph dated ___.",
            (true, 1) => "Radiograph from ___.",
            (true, _) => "___.",
            (false, 0) => "None available.",
            (false, _) => "None.",
        };
        line(text, "COMPARISON:", comparison);
        let observations = self.observations();
        section(text, "FINDINGS:", &observations);
        let devices = self.rng.random_bool(0.4);
        let impression = self.impression(devices);
        section(text, "IMPRESSION:", &impression);
    }

    fn indication(&mut self) -> String {
        let (short, long) = match self.study.sex {
            Sex::Female => ("___F", "___ year old woman"),
            Sex::Male => ("___M", "___ year old man"),
        };
        let who = if self.rng.random_bool(0.5) {
            short
        } else {
            long
        };
        let complaint = self.pick(&phrase::COMPLAINTS);
        if self.rng.random_bool(0.3) {
            return format!("{who} with {complaint}.");
        }
        format!(
            "{who} with {complaint}  // {}",
            self.pick(&phrase::QUESTIONS)
        )
    }

    fn technique(&self) -> &'static str {
        match (self.study.projection, self.study.lateral) {
            (Projection::Ap, _) => "Portable AP view of the chest.",
            (Projection::Pa, true) => "Chest PA and lateral.",
            (Projection::Pa, false) => "Single PA view of the chest.",
        }
    }

    /// What is seen, then what is not, each in a sentence of its own.
    fn observations(&mut self) -> String {
        let mut seen: Vec<String> = Vec::new();
        for &finding in self.findings {
            seen.push(self.describe(finding, |p| p.sentences));
            seen.extend(self.doubt(finding));
        }
        seen.extend(self.clear_lungs());
        seen.extend(self.absences());
        if !self.shows(Kind::Cardiomegaly) && self.rng.random_bool(0.8) {
            seen.push(self.pick(&phrase::HEART).to_owned());
            self.mention(Kind::Cardiomegaly.label(), Mention::Absent);
        }
        if self.rng.random_bool(0.5) {
            seen.push(self.pick(&phrase::REMARKS).to_owned());
        }
        seen.iter()
            .map(|s| sentence(s))
            .collect::<Vec<_>>()
            .join("  ")
    }

    /// The findings in short, or that there is none.
    fn impression(&mut self, devices: bool) -> String {
        let mut points = Vec::new();
        let named = self
            .findings
            .iter()
            .filter(|f| devices || !f.kind.is_device());
        for &finding in named {
            points.push(self.describe(finding, |p| p.impressions));
        }
        if self.findings.iter().all(|f| f.kind.is_device()) {
            let normal = self.pick(&phrase::NORMAL);
            if normal.ends_with("pneumonia") {
                self.mention(PNEUMONIA, Mention::Absent);
            }
            points.push(normal.to_owned());
        }
        let points: Vec<_> = points.iter().map(|p| sentence(p)).collect();
        if points.len() < 2 || self.rng.random_bool(0.4) {
            return points.join("  ");
        }
        let numbered = points
            .iter()
            .enumerate()
            .map(|(i, p)| format!("{}. {p}", i + 1));
        numbered.collect::<Vec<_>>().join("\n")
    }

    fn describe(
        &mut self,
        finding: Finding,
        templates: impl Fn(&phrase::Phrases) -> &'static [&'static str],
    ) -> String {
        self.mention(finding.kind.label(), Mention::Present);
        let phrases = phrase::of(finding.kind, finding.side);
        let both = finding.side == Side::Bilateral;
        let several = both && matches!(finding.kind, Kind::Opacity | Kind::Effusion);
        let known = finding.chronic && self.study.has_prior();
        let template = self.pick(templates(&phrases));
        let zone = self.pick(phrase::zone(finding.zone));
        let side = finding.side.word();
        let place = if both {
            format!("both {zone}s")
        } else {
            format!("the {side} {zone}")
        };
        template
            .replace("{size}", finding.severity.of(phrases.sizes))
            .replace("{side}", side)
            .replace("{where}", &place)
            .replace("{is}", self.pick(phrase::verbs(known, several)))
    }

    fn doubt(&mut self, finding: Finding) -> Option<String> {
        let doubtful = matches!(finding.kind, Kind::Opacity | Kind::Consolidation);
        (doubtful && self.rng.random_bool(0.35)).then(|| {
            self.mention(PNEUMONIA, Mention::Uncertain);
            self.pick(&phrase::DOUBTS).to_owned()
        })
    }

    fn clear_lungs(&mut self) -> Option<String> {
        let clear = self
            .findings
            .iter()
            .all(|f| f.zone.is_none() && f.kind != Kind::Edema);
        (clear && self.rng.random_bool(0.6)).then(|| self.pick(&phrase::CLEAR).to_owned())
    }

    /// Usual findings that this film lacks, in one sentence or in one each.
    fn absences(&mut self) -> Vec<String> {
        let mut absent = Vec::new();
        for (kind, often, words) in phrase::ABSENT {
            if !self.shows(kind) && self.rng.random_bool(often) {
                self.mention(kind.label(), Mention::Absent);
                absent.push(self.pick(words));
            }
        }
        let groups = if self.rng.random_bool(0.7) {
            absent.len().max(1)
        } else {
            1
        };
        let mut said = Vec::new();
        for group in absent.chunks(groups) {
            said.push(
                self.pick(&phrase::NEGATIONS)
                    .replace("{list}", &list(group)),
            );
        }
        said
    }

    fn shows(&self, kind: Kind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }

    fn mention(&mut self, label: usize, mention: Mention) {
        self.labels[label] = self.labels[label].max(mention);
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(self.rng).copied().unwrap_or_default()
    }
}

/// `a`, `a or b`, `a, b, or c`.
fn list(words: &[&str]) -> String {
    match words {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} or {other}"),
        [rest @ .., last] => format!("{}, or {last}", rest.join(", ")),
        [] => String::new(),
    }
}

/// With a capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// A section of one paragraph on the head's line.
fn line(text: &mut String, head: &str, body: &str) {
    text.push_str(&wrap(&format!("{head}  {body}")));
    text.push_str(" \n");
}

/// A section below its head.
fn section(text: &mut String, head: &str, body: &str) {
    let gap = if text.ends_with(" \n") { "" } else { " \n" };
    text.push_str(&format!("{gap} {head} \n \n{}", wrap(body)));
}

/// Breaks the lines; each begins with a space, and two spaces between sentences stay.
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
