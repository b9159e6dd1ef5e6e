//! The vocabulary of reports: for each kind of finding the sentences, impressions and adjectives that name it.
//!
//! Templates have slots: `{size}` an adjective of severity, `{side}` right, left or bilateral, `{where}` the zone with
//! its side ("the right lower lobe", "both lung bases"), `{is}` a verb such as "is noted". A phrase names no other kind.

use super::finding::{Kind, Side, Zone};

/// How one kind is spoken of.
pub(super) struct Phrases {
    /// For the section of findings.
    pub(super) sentences: &'static [&'static str],
    /// For the impression.
    pub(super) impressions: &'static [&'static str],
    /// Adjectives of mild, moderate and severe.
    pub(super) sizes: [&'static str; 3],
}

const EXTENT: [&str; 3] = ["mild", "moderate", "severe"];
const VOLUME: [&str; 3] = ["small", "moderate", "large"];

/// The phrases of a kind on one side, in the midline or on both sides.
pub(super) fn of(kind: Kind, side: Side) -> Phrases {
    let both = side == Side::Bilateral;
    let (sizes, sentences, impressions): (_, &[&str], &[&str]) = match kind {
        Kind::Opacity if both => (
            ["subtle", "patchy", "extensive"],
            &[
                "{size} hazy opacities {is} in {where}",
                "there are {size} ill-defined opacities in {where}",
                "{size} bilateral opacities {is}, predominantly in {where}",
            ],
            &[
                "{size} opacities in {where}",
                "bilateral opacities, {size}, in {where}",
            ],
        ),
        Kind::Opacity => (
            ["subtle", "patchy", "extensive"],
            &[
                "{size} hazy opacity {is} in {where}",
                "there is {size} ill-defined opacity in {where}",
                "{size} opacity projects over {where}",
                "increased opacity, {size}, {is} in {where}",
            ],
            &["{size} opacity in {where}", "opacity in {where}, {size}"],
        ),
        Kind::Consolidation => (
            ["small", "moderate", "extensive"],
            &[
                "{size} consolidation {is} in {where}",
                "there is {size} airspace consolidation in {where}",
                "{size} focal consolidation {is}, centred on {where}",
                "dense consolidation of {size} extent {is} in {where}",
            ],
            &[
                "{size} consolidation in {where}",
                "consolidation in {where}, {size}",
            ],
        ),
        Kind::Atelectasis => (
            EXTENT,
            &[
                "{size} linear atelectasis {is} at {where}",
                "there is {size} plate-like atelectasis at {where}",
                "streaky densities at {where} reflect {size} atelectasis",
                "{size} subsegmental atelectasis {is} at {where}",
            ],
            &[
                "{size} atelectasis at {where}",
                "linear atelectasis at {where}, {size}",
            ],
        ),
        Kind::Edema => (
            EXTENT,
            &[
                "{size} bilateral pulmonary edema {is}",
                "there is {size} pulmonary edema with perihilar haze on both sides",
                "bilateral perihilar haze and thickened vessels reflect {size} pulmonary edema",
                "{size} interstitial edema {is} in both lungs",
            ],
            &[
                "{size} bilateral pulmonary edema",
                "{size} pulmonary edema, in both lungs",
            ],
        ),
        Kind::Effusion if both => (
            VOLUME,
            &[
                "{size} bilateral pleural effusions are present",
                "there are {size} bilateral pleural effusions",
                "{size} layering pleural effusions {is} on both sides",
                "both costophrenic angles are blunted by {size} pleural effusions",
            ],
            &[
                "{size} bilateral pleural effusions",
                "bilateral pleural effusions, {size} in size",
            ],
        ),
        Kind::Effusion => (
            VOLUME,
            &[
                "a {size} {side} pleural effusion {is}",
                "there is a {size} {side} pleural effusion",
                "blunting of the {side} costophrenic angle reflects a {size} pleural effusion",
                "{size} pleural effusion {is} on the {side}",
            ],
            &[
                "{size} {side} pleural effusion",
                "{side} pleural effusion, {size} in size",
            ],
        ),
        Kind::Pneumothorax => (
            VOLUME,
            &[
                "a {size} {side} apical pneumothorax {is}",
                "there is a {size} {side} pneumothorax",
                "a fine pleural line at the {side} apex indicates a {size} pneumothorax",
                "{size} pneumothorax {is} on the {side}",
            ],
            &[
                "{size} {side} pneumothorax",
                "{side} apical pneumothorax, {size} in size",
            ],
        ),
        Kind::Cardiomegaly => (
            ["mildly", "moderately", "severely"],
            &[
                "the heart is {size} enlarged",
                "the cardiac silhouette is {size} enlarged",
                "heart size is {size} enlarged",
                "cardiomegaly {is}; the heart is {size} enlarged",
            ],
            &[
                "{size} enlarged heart",
                "{size} enlarged cardiac silhouette",
            ],
        ),
        Kind::Nodule => (
            VOLUME,
            &[
                "a {size} nodule {is} in {where}",
                "there is a {size} rounded nodule in {where}",
                "a {size} pulmonary nodule projects over {where}",
                "{size} well-defined nodule {is} in {where}",
            ],
            &[
                "{size} nodule in {where}",
                "pulmonary nodule in {where}, {size} in size",
            ],
        ),
        Kind::EndotrachealTube => (
            EXTENT,
            &[
                "an endotracheal tube ends above the carina",
                "the tip of the endotracheal tube lies ___ cm above the carina",
                "endotracheal tube {is} in standard position",
            ],
            &[
                "endotracheal tube in standard position",
                "endotracheal tube above the carina",
            ],
        ),
        Kind::CentralLine => (
            EXTENT,
            &[
                "a {side} central venous line ends in the superior vena cava",
                "{side}-sided central venous catheter {is} with its tip in the SVC",
                "the tip of the {side} central venous catheter projects over the SVC",
            ],
            &[
                "{side} central venous line in the SVC",
                "{side} central venous catheter in place",
            ],
        ),
        Kind::Pacemaker => (
            EXTENT,
            &[
                "a {side}-sided pacemaker {is} with leads in the right atrium and ventricle",
                "{side} pectoral pacemaker with intact leads {is}",
                "a dual-chamber pacemaker {is} over the {side} chest",
            ],
            &[
                "{side} pectoral pacemaker",
                "{side}-sided pacemaker with two leads",
            ],
        ),
        Kind::NasogastricTube => (
            EXTENT,
            &[
                "a nasogastric tube ends in the stomach",
                "the nasogastric tube passes below the diaphragm",
                "nasogastric tube {is} with its tip in the stomach",
            ],
            &[
                "nasogastric tube in the stomach",
                "nasogastric tube below the diaphragm",
            ],
        ),
    };
    Phrases {
        sentences,
        impressions,
        sizes,
    }
}

/// The names of a zone, which take an "s" for both sides.
pub(super) fn zone(zone: Option<Zone>) -> &'static [&'static str] {
    match zone {
        Some(Zone::Upper) => &["upper lobe", "upper lung", "upper lung zone"],
        Some(Zone::Mid) => &["mid lung", "mid lung zone"],
        Some(Zone::Lower) | None => &["lower lobe", "lung base", "lower lung zone"],
    }
}

/// Verbs for a finding: one that is known from an earlier film, several, or one.
pub(super) fn verbs(known: bool, several: bool) -> &'static [&'static str] {
    match (known, several) {
        (true, false) => &["is again seen", "is unchanged", "persists"],
        (true, true) => &["are again seen", "are unchanged", "persist"],
        (false, false) => &["is present", "is noted", "is seen"],
        (false, true) => &["are present", "are noted", "are seen"],
    }
}

/// What a report may say to be absent: the kind, how often it does, and in what words.
pub(super) const ABSENT: [(Kind, f64, &[&str]); 4] = [
    (
        Kind::Consolidation,
        0.85,
        &["focal consolidation", "consolidation"],
    ),
    (Kind::Effusion, 0.9, &["pleural effusion", "effusion"]),
    (Kind::Pneumothorax, 0.9, &["pneumothorax"]),
    (
        Kind::Edema,
        0.4,
        &["pulmonary edema", "overt pulmonary edema"],
    ),
];

/// Sentences around a list of what is absent.
pub(super) const NEGATIONS: [&str; 4] = [
    "no {list}",
    "there is no {list}",
    "no {list} is seen",
    "there is no evidence of {list}",
];

/// A heart of normal size.
pub(super) const HEART: [&str; 4] = [
    "heart size is normal",
    "the heart is normal in size",
    "the cardiac silhouette is within normal limits",
    "the heart is not enlarged",
];

/// Remarks that no label hangs on; the first ones need lungs without findings.
pub(super) const CLEAR: [&str; 3] = [
    "the lungs are clear",
    "the lungs are well expanded and clear",
    "lungs are clear bilaterally",
];
pub(super) const REMARKS: [&str; 4] = [
    "the mediastinal contours are unremarkable",
    "the imaged upper abdomen is unremarkable",
    "the bony structures are intact",
    "the hilar contours are normal",
];

/// Impressions of a film without disease.
pub(super) const NORMAL: [&str; 5] = [
    "no acute cardiopulmonary process",
    "no acute cardiopulmonary abnormality",
    "no evidence of acute disease",
    "no acute intrathoracic process",
    "no radiographic evidence of pneumonia",
];

/// Doubts that a report adds to a consolidation or an opacity.
pub(super) const DOUBTS: [&str; 3] = [
    "this may represent pneumonia in the appropriate clinical setting",
    "pneumonia could be considered",
    "findings could reflect pneumonia",
];

/// Why the film was taken.
pub(super) const COMPLAINTS: [&str; 10] = [
    "shortness of breath",
    "chest pain",
    "cough and fever",
    "hypoxia",
    "altered mental status",
    "dyspnea on exertion",
    "fall",
    "leukocytosis",
    "weakness",
    "recent surgery",
];

/// What the referrer asks.
pub(super) const QUESTIONS: [&str; 5] = [
    "eval for pneumonia",
    "evaluate for acute process",
    "?effusion, pneumothorax",
    "interval change?",
    "please evaluate for infiltrate",
];
