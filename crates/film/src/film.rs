//! Films: grey pixels of 8 or 16 bits.

/// A film in grey. Pixels are `u8` or `u16`; 0 is black.
#[derive(Clone, PartialEq, Eq)]
pub struct Film<P = u8> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width · height` pixels, row by row from the top.
    pub pixels: Vec<P>,
}

impl<P: Grey> Film<P> {
    /// A film whose pixels all have the same grey.
    pub fn filled(width: u32, height: u32, grey: P) -> Film<P> {
        Film {
            width,
            height,
            pixels: vec![grey; width as usize * height as usize],
        }
    }
}

impl<P> std::fmt::Debug for Film<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Film({}×{})", self.width, self.height)
    }
}

/// A pixel: `u8` or `u16`. 0 is black, the largest value is white.
pub trait Grey: Copy + Default + Ord + Into<u16> + Into<f32> + Send + Sync + 'static {
    /// The largest value.
    const WHITE: f32;

    /// Rounds `value` down; it must be in the pixel's range.
    fn floor(value: f32) -> Self;

    /// The pixel with this value, which must be in the pixel's range.
    fn of_value(value: u16) -> Self;

    /// Converts a share of white, 0 to 1, rounded.
    fn from_share(share: f64) -> Self;

    /// Converts to 8 bits, rounded.
    fn to_eight(self) -> u8;

    /// Wraps pixels in the variant of [`Greys`] for this depth.
    fn into_greys(pixels: Vec<Self>) -> Greys;

    /// Rounds `value` to the nearest pixel; it must be in the pixel's range.
    fn rounded(value: f32) -> Self {
        Self::floor(value + 0.5)
    }
}

impl Grey for u8 {
    const WHITE: f32 = 255.0;

    fn floor(value: f32) -> u8 {
        value as u8
    }

    fn of_value(value: u16) -> u8 {
        value as u8
    }

    fn from_share(share: f64) -> u8 {
        (share * 255.0).round() as u8
    }

    fn to_eight(self) -> u8 {
        self
    }

    fn into_greys(pixels: Vec<u8>) -> Greys {
        Greys::Eight(pixels)
    }
}

impl Grey for u16 {
    const WHITE: f32 = 65_535.0;

    fn floor(value: f32) -> u16 {
        value as u16
    }

    fn of_value(value: u16) -> u16 {
        value
    }

    fn from_share(share: f64) -> u16 {
        (share * 65_535.0).round() as u16
    }

    fn to_eight(self) -> u8 {
        ((u32::from(self) + 128) / 257) as u8
    }

    fn into_greys(pixels: Vec<u16>) -> Greys {
        Greys::Sixteen(pixels)
    }
}

/// Pixels of 8 or 16 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greys {
    /// 8 bits.
    Eight(Vec<u8>),
    /// 16 bits.
    Sixteen(Vec<u16>),
}

impl Greys {
    /// The pixels in 8 bits, rounded.
    pub fn into_eight(self) -> Vec<u8> {
        match self {
            Greys::Eight(values) => values,
            Greys::Sixteen(values) => values.into_iter().map(Grey::to_eight).collect(),
        }
    }
}
