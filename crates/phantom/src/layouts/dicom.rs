//! Films as DICOM files: secondary captures of a radiograph, 8 bits, MONOCHROME2, one frame of
//! baseline JPEG, with the elements that the files of RSNA and SIIM-ACR have.

use std::fmt::Display;
use std::path::Path;

use dicom_core::value::fragments::Fragments;
use dicom_core::value::{InMemFragment, PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use dicom_object::meta::FileMetaTableBuilder;
use mflag_core::digest;
use mflag_film::Film;
use mflag_store::{Error, Result};

use super::files;
use crate::{Case, Study};

/// Pixel spacing of the detector in millimetres. The challenges reduced their films, but kept this
/// value.
const SPACING: &str = "0.139\\0.139";

/// The identifiers of a film.
pub(super) struct Ids {
    pub(super) patient: String,
    pub(super) study: String,
    pub(super) series: String,
    pub(super) instance: String,
}

/// A unique identifier derived from `name`. Below the root 2.25, DICOM allows any number of 128
/// bits.
pub(super) fn uid(name: &str) -> String {
    let hex = digest::bytes(name.as_bytes());
    let number = hex
        .get(..32)
        .and_then(|hex| u128::from_str_radix(hex, 16).ok());
    format!("2.25.{}", number.unwrap_or_default())
}

/// Writes a case's film.
pub(super) fn write(path: &Path, ids: &Ids, case: &Case) -> Result<()> {
    let object = dicom_object(ids, case, files::jpeg(&case.film, path)?);
    let fault = |e: &dyn Display| Error::file(path, format!("the film cannot be encoded: {e}"));
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::JPEG_BASELINE8_BIT);
    let file = object.with_meta(meta).map_err(|e| fault(&e))?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(|e| fault(&e))?;
    files::write(path, &bytes)
}

/// All elements of a film. The object sorts them by tag.
fn dicom_object(ids: &Ids, case: &Case, jpeg: Vec<u8>) -> InMemDicomObject {
    let Case { study, film, .. } = case;
    let ratio = film.pixels.len() as f64 / jpeg.len() as f64;
    let elements = study_elements(ids, study)
        .into_iter()
        .chain(image_elements(film, ratio));
    let mut object = InMemDicomObject::from_element_iter(elements);
    let frame: PixelFragmentSequence<InMemFragment> = vec![Fragments::new(jpeg, 0)].into();
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        Value::from(frame),
    ));
    object
}

fn text(tag: Tag, vr: VR, text: &str) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(text))
}

fn number(tag: Tag, number: u16) -> InMemElement {
    DataElement::new(tag, VR::US, PrimitiveValue::from(number))
}

/// Patient, study and series.
fn study_elements(ids: &Ids, study: &Study) -> Vec<InMemElement> {
    let view = study.projection.name();
    vec![
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
        text(
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        ),
        text(tags::SOP_INSTANCE_UID, VR::UI, &ids.instance),
        text(tags::STUDY_DATE, VR::DA, &study.date.to_string()),
        text(tags::STUDY_TIME, VR::TM, &study.time),
        text(tags::ACCESSION_NUMBER, VR::SH, ""),
        text(tags::MODALITY, VR::CS, "CR"),
        text(tags::CONVERSION_TYPE, VR::CS, "WSD"),
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        text(tags::SERIES_DESCRIPTION, VR::LO, &format!("view: {view}")),
        text(tags::PATIENT_NAME, VR::PN, &ids.patient),
        text(tags::PATIENT_ID, VR::LO, &ids.patient),
        text(tags::PATIENT_BIRTH_DATE, VR::DA, ""),
        text(tags::PATIENT_SEX, VR::CS, study.sex.letter()),
        text(tags::PATIENT_AGE, VR::AS, &format!("{:03}Y", study.age)),
        text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
        text(tags::VIEW_POSITION, VR::CS, view),
        text(tags::STUDY_INSTANCE_UID, VR::UI, &ids.study),
        text(tags::SERIES_INSTANCE_UID, VR::UI, &ids.series),
        text(tags::STUDY_ID, VR::SH, ""),
        text(tags::SERIES_NUMBER, VR::IS, "1"),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::PATIENT_ORIENTATION, VR::CS, ""),
    ]
}

/// Size, pixels and compression; `ratio` is the compression ratio.
fn image_elements(film: &Film, ratio: f64) -> Vec<InMemElement> {
    vec![
        number(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        number(tags::ROWS, film.height as u16),
        number(tags::COLUMNS, film.width as u16),
        text(tags::PIXEL_SPACING, VR::DS, SPACING),
        number(tags::BITS_ALLOCATED, 8),
        number(tags::BITS_STORED, 8),
        number(tags::HIGH_BIT, 7),
        number(tags::PIXEL_REPRESENTATION, 0),
        text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01"),
        text(
            tags::LOSSY_IMAGE_COMPRESSION_RATIO,
            VR::DS,
            &format!("{ratio:.2}"),
        ),
        text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1"),
    ]
}
