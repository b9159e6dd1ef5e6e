//! What a DICOM file says that it shows.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::elements::Elements;
use crate::remark::Remark;

/// Modalities of radiographs: computed, digital and conventional radiography, fluoroscopy; and two
/// that say nothing (secondary captures and others).
const RADIOGRAPHY: [&str; 6] = ["CR", "DX", "RG", "RF", "SC", "OT"];

/// A body part that contains one of these words is the chest. Devices do not keep to the defined
/// terms.
const CHEST: [&str; 8] = [
    "CHEST", "THORAX", "TORAX", "LUNG", "RIB", "PULM", "HEART", "CARDIA",
];

/// Views from the front and from the back, upright or lying.
const FRONTAL: [&str; 5] = ["PA", "AP", "FRONTAL", "POSTERO", "ANTERO"];

/// The longest text that is quoted, in characters.
const QUOTED: usize = 32;

/// Remarks on what the file says that it shows. What it does not say is taken to be right.
pub(super) fn remarks(elements: &Elements<'_>) -> Vec<Remark> {
    let modality = said(elements, tags::MODALITY);
    let modality = modality.filter(|name| !RADIOGRAPHY.contains(&name.as_str()));
    let part = said(elements, tags::BODY_PART_EXAMINED);
    let part = part.filter(|name| !CHEST.iter().any(|word| name.contains(word)));
    let other = [
        modality.map(|name| format!("modality {name}")),
        part.map(|name| format!("body part {name}")),
    ];
    let other: Vec<String> = other.into_iter().flatten().collect();
    let view = said(elements, tags::VIEW_POSITION);
    let view = view.filter(|name| !FRONTAL.iter().any(|word| name.starts_with(word)));
    let not_chest = (!other.is_empty()).then(|| Remark::NotChest(other.join(", ")));
    not_chest
        .into_iter()
        .chain(view.map(Remark::OtherView))
        .collect()
}

/// The text of an element in capitals, without characters that cannot be shown; `None` if it is
/// empty.
fn said(elements: &Elements<'_>, tag: Tag) -> Option<String> {
    let text = elements.text(tag)?.to_uppercase();
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(QUOTED)
        .collect();
    (!shown.is_empty()).then_some(shown)
}
