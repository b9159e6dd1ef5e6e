//! Reads `phrases.toml`, the words of the reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::finding::{Finding, Kind, Side, Zone};

/// The words of the reports. The file is part of the program, and a test checks that it parses.
pub(super) static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    toml::from_str(include_str!("phrases.toml")).unwrap_or_else(|e| {
        tracing::error!("phrases.toml: {e}; the reports have no words");
        Phrases::default()
    })
});

/// The whole file; `phrases.toml` describes each list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phrases {
    pub(super) complaints: Vec<String>,
    pub(super) questions: Vec<String>,
    pub(super) normal_heart: Vec<String>,
    pub(super) clear_lungs: Vec<String>,
    pub(super) remarks: Vec<String>,
    pub(super) normal_impressions: Vec<String>,
    pub(super) doubts: Vec<String>,
    pub(super) negations: Vec<String>,
    zones: BTreeMap<Zone, Vec<String>>,
    verbs: Verbs,
    pub(super) absent: Vec<Absent>,
    findings: BTreeMap<Kind, OfKind>,
}

/// Verbs for new findings, and for findings that an earlier film showed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verbs {
    new: Numbers,
    known: Numbers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    singular: Vec<String>,
    plural: Vec<String>,
}

/// A finding that a report may call absent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absent {
    pub(super) kind: Kind,
    /// Probability that the report of a film without the finding says so.
    pub(super) probability: f64,
    pub(super) names: Vec<String>,
}

/// The phrases of one kind of finding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfKind {
    /// Adjectives for mild, moderate and severe; empty for devices.
    #[serde(default)]
    severities: [String; 3],
    sentences: Vec<String>,
    impressions: Vec<String>,
    /// Replaces `sentences` and `impressions` for a finding on both sides, if its phrases need the
    /// plural.
    both_sides: Option<BothSides>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BothSides {
    sentences: Vec<String>,
    impressions: Vec<String>,
}

/// The phrases for one finding. Lists are never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfFinding {
    /// The adjective of its severity; empty for devices.
    pub(super) severity: &'static str,
    /// For the section FINDINGS.
    pub(super) sentences: &'static [String],
    /// For the section IMPRESSION.
    pub(super) impressions: &'static [String],
    /// Names of its zone.
    pub(super) zones: &'static [String],
    pub(super) verbs: &'static [String],
}

impl Phrases {
    /// The phrases for a finding. `known` is whether an earlier film showed it. `None` if the file
    /// has no phrases for its kind.
    pub(super) fn of_finding(&'static self, finding: &Finding, known: bool) -> Option<OfFinding> {
        let kind = self.findings.get(&finding.kind)?;
        let both_sides = kind.both_sides.as_ref();
        let plural = both_sides.filter(|_| finding.side == Side::Bilateral);
        let (sentences, impressions) = plural.map_or_else(
            || (&kind.sentences, &kind.impressions),
            |plural| (&plural.sentences, &plural.impressions),
        );
        let verbs = if known {
            &self.verbs.known
        } else {
            &self.verbs.new
        };
        Some(OfFinding {
            severity: finding
                .severity
                .select(kind.severities.each_ref().map(String::as_str)),
            sentences,
            impressions,
            zones: self.zones.get(&finding.zone.unwrap_or(Zone::Lower))?,
            verbs: if plural.is_some() {
                &verbs.plural
            } else {
                &verbs.singular
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    const SIDES: [Side; 4] = [Side::Right, Side::Left, Side::Bilateral, Side::Midline];
    const ZONES: [Option<Zone>; 4] = [None, Some(Zone::Upper), Some(Zone::Mid), Some(Zone::Lower)];
    const SEVERITIES: [Severity; 3] = [Severity::Mild, Severity::Moderate, Severity::Severe];

    fn finding(kind: Kind, side: Side, zone: Option<Zone>, severity: Severity) -> Finding {
        Finding {
            kind,
            side,
            zone,
            severity,
            contrast: 0.5,
            chronic: false,
            shape: 0,
        }
    }

    fn assert_filled(list: &[String]) {
        assert!(!list.is_empty() && list.iter().all(|phrase| !phrase.is_empty()));
    }

    /// Checks that the report can fill in every word in braces.
    fn assert_slots(phrase: &str) {
        let slots = ["{severity}", "{side}", "{where}", "{is}"];
        let rest = slots
            .iter()
            .fold(phrase.to_owned(), |rest, slot| rest.replace(slot, ""));
        assert!(!rest.contains(['{', '}']), "{phrase}");
    }

    #[test]
    fn the_file_has_phrases_for_every_kind_side_zone_and_severity() {
        let phrases: Phrases = toml::from_str(include_str!("phrases.toml")).unwrap();
        assert_eq!(phrases.findings.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            for side in SIDES {
                for zone in ZONES {
                    for (severity, known) in SEVERITIES.into_iter().zip([true, false, true]) {
                        let finding = finding(kind, side, zone, severity);
                        let of_finding = PHRASES.of_finding(&finding, known).unwrap();
                        assert_filled(of_finding.zones);
                        assert_filled(of_finding.verbs);
                        for list in [of_finding.sentences, of_finding.impressions] {
                            assert_filled(list);
                            for phrase in list {
                                assert_slots(phrase);
                                let names_it = phrase.contains("{severity}");
                                assert_eq!(names_it, !of_finding.severity.is_empty(), "{phrase}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_other_list_is_empty() {
        for list in [
            &PHRASES.complaints,
            &PHRASES.questions,
            &PHRASES.normal_heart,
            &PHRASES.clear_lungs,
            &PHRASES.remarks,
            &PHRASES.normal_impressions,
            &PHRASES.doubts,
            &PHRASES.negations,
        ] {
            assert_filled(list);
        }
        assert!(PHRASES.negations.iter().all(|n| n.contains("{list}")));
        for absent in &PHRASES.absent {
            assert_filled(&absent.names);
            assert!((0.0..=1.0).contains(&absent.probability));
        }
    }

    #[test]
    fn both_sides_have_plural_phrases_and_verbs() {
        let phrases = |side| {
            let finding = finding(Kind::Effusion, side, Some(Zone::Lower), Severity::Mild);
            PHRASES.of_finding(&finding, false).unwrap()
        };
        let (one, both) = (phrases(Side::Left), phrases(Side::Bilateral));
        assert!(one.verbs[0].starts_with("is") && both.verbs[0].starts_with("are"));
        assert!(one.impressions[0].ends_with("effusion"));
        assert!(both.impressions[0].ends_with("effusions"));
    }
}
