//! How the words of a picture encode numbers: what the file's elements state, compared with the
//! picture itself.

use super::elements::Elements;
use super::frame::Coded;
use super::size::PixelFormat;
use crate::remark::Remark;
use crate::source::{Raw, Values};

/// How the words of the picture encode numbers.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    pub(super) bits: u32,
    pub(super) signed: bool,
}

impl Numbers {
    /// Compares what the elements state with the picture itself. Where the two disagree so that
    /// values would wrap, the picture counts. Stored bits that do not begin with the lowest are
    /// shifted down.
    pub(super) fn new(
        elements: &Elements<'_>,
        format: &PixelFormat,
        values: &mut Values<'_>,
        coded: Option<Coded>,
        remarks: &mut Vec<Remark>,
    ) -> Numbers {
        let stated = Numbers {
            bits: format.stored.into(),
            signed: format.signed,
        };
        let shift = format.high + 1 - format.stored;
        match coded {
            // The compressed picture holds whole words.
            Some(coded) if shift > 0 && coded.bits == u32::from(format.high) + 1 => {
                shift_down(values, shift);
                stated
            }
            Some(coded) => {
                // An unsigned picture of fewer bits may hold numbers in two's complement: their
                // sign is the picture's highest bit, as pydicom reads them.
                let holds_sign = stated.signed && !coded.signed && coded.bits < stated.bits;
                let differs = coded.bits > stated.bits || holds_sign;
                if differs || (coded.signed && !stated.signed) {
                    remarks.push(Remark::OtherBits);
                }
                Numbers {
                    bits: if differs { coded.bits } else { stated.bits },
                    signed: stated.signed || coded.signed,
                }
            }
            None if shift > 0 => {
                shift_down(values, shift);
                stated
            }
            None => stated.compared(elements, values, remarks),
        }
    }

    /// Compares the bits with uncompressed values, which may use more of them.
    fn compared(
        self,
        elements: &Elements<'_>,
        values: &Values<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Numbers {
        let Values::Decoded(Raw::Sixteen(values)) = values else {
            return self;
        };
        if self.bits == 16 {
            return self;
        }
        let (mut beyond, mut bits) = (0, self.bits);
        for value in values.iter().filter(|value| !self.holds(**value)) {
            beyond += 1;
            bits = bits.max(self.bits_of(*value));
        }
        // Old files keep graphics in the upper bits. Graphics cover a small part of a film.
        let is_graphics = elements.has_graphics() || beyond * 20 < values.len();
        match beyond {
            0 => self,
            _ if is_graphics => {
                remarks.push(Remark::UpperBits);
                self
            }
            _ => {
                remarks.push(Remark::OtherBits);
                Numbers { bits, ..self }
            }
        }
    }

    /// Whether `value` fits into the bits. The bits above those of a signed number may be empty or
    /// repeat its sign.
    fn holds(self, value: u16) -> bool {
        let above = value >> (self.bits - u32::from(self.signed));
        let ones = u16::MAX >> (self.bits - u32::from(self.signed));
        value >> self.bits == 0 || (self.signed && above == ones)
    }

    /// The bits that `value` needs.
    fn bits_of(self, value: u16) -> u32 {
        if self.signed {
            let number = value as i16;
            return 17 - (number ^ (number >> 15)).leading_zeros();
        }
        16 - value.leading_zeros()
    }
}

fn shift_down(values: &mut Values<'_>, shift: u16) {
    match values {
        Values::Decoded(Raw::Eight(values)) => {
            values.to_mut().iter_mut().for_each(|v| *v >>= shift);
        }
        Values::Decoded(Raw::Sixteen(values)) => {
            values.to_mut().iter_mut().for_each(|v| *v >>= shift);
        }
        Values::Jpeg(_) => {}
    }
}
