//! Look-up tables of DICOM files.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::elements::Elements;
use super::numbers::Numbers;
use crate::remark::Remark;
use crate::tone::Table;

/// The look-up table in the first item of `sequence`, for values in `range`. Where its descriptor
/// does not fit, the entries and the values decide. `None` if the table is missing or incomplete.
pub(super) fn table(
    elements: &Elements<'_>,
    sequence: Tag,
    numbers: Numbers,
    range: (f64, f64),
    remarks: &mut Vec<Remark>,
) -> Option<Table> {
    let descriptor = elements.words(Some(sequence), tags::LUT_DESCRIPTOR)?;
    let read = entries(elements, sequence, &descriptor);
    let (Some(entries), [_, first, bits]) = (read, &descriptor[..]) else {
        remarks.push(Remark::TableLeftOut);
        return None;
    };
    let is_signed = elements.is_signed(sequence, tags::LUT_DESCRIPTOR) || numbers.signed;
    let (signed, unsigned) = (f64::from(*first as i16), f64::from(*first));
    let (stated, other) = if is_signed {
        (signed, unsigned)
    } else {
        (unsigned, signed)
    };
    let last = (entries.len() - 1) as f64;
    let meets = |first: f64| first <= range.1 && first + last >= range.0;
    let first = if meets(stated) || !meets(other) {
        stated
    } else {
        other
    };
    // A VOI table whose entries need more bits, or whose brightest entry is less than a quarter of
    // white, states the wrong number of bits. A modality table has no white.
    let needed = entries
        .iter()
        .max()
        .map_or(1, |largest| 16 - largest.leading_zeros())
        .max(1);
    let stated_bits = u32::from(*bits);
    let is_modality = sequence == tags::MODALITY_LUT_SEQUENCE;
    let fits = is_modality || (needed..needed + 2).contains(&stated_bits);
    let bits = if fits { stated_bits } else { needed };
    if !fits || first != stated {
        remarks.push(Remark::TableCorrected);
    }
    Some(Table {
        first,
        entries,
        top: f64::from((1u32 << bits.min(16)) - 1),
    })
}

/// The entries of a look-up table; `None` if there are fewer than its descriptor states.
fn entries(elements: &Elements<'_>, sequence: Tag, descriptor: &[u16]) -> Option<Vec<u16>> {
    // 65,536 entries do not fit into a word: 0 stands for them.
    let count = match descriptor.first()? {
        0 => 1 << 16,
        count => usize::from(*count),
    };
    let mut data = elements.words(Some(sequence), tags::LUT_DATA)?;
    // Two entries of 8 bits may share a word.
    if data.len() < count && data.len() == count.div_ceil(2) {
        data = data
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .map(u16::from)
            .collect();
    }
    data.truncate(count);
    (data.len() == count).then_some(data)
}
