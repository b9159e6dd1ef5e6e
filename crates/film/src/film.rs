//! Grey pixels of 8 and 16 bits.

/// A film: grey, row by row from the top, 0 black.
#[derive(Clone, PartialEq, Eq)]
pub struct Film<P = u8> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width · height` values.
    pub pixels: Vec<P>,
}

impl<P: Grey> Film<P> {
    /// A film of one grey.
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

/// A pixel: u8 or u16, from 0, black, to its largest value, white.
pub trait Grey: Copy + Default + Ord + Into<u16> + Into<f32> + Send + Sync + 'static {
    /// Its largest value.
    const WHITE: f32;

    /// The largest pixel not above `value`, which is one of its range.
    fn floor(value: f32) -> Self;

    /// The nearest pixel to a share of white, 0 to 1.
    fn of_share(share: f64) -> Self;

    /// The nearest grey of 8 bits.
    fn to_eight(self) -> u8;

    /// These values in the depth that they have.
    fn greys(values: Vec<Self>) -> Greys;

    /// The nearest pixel to `value`, which is one of its range.
    fn rounded(value: f32) -> Self {
        Self::floor(value + 0.5)
    }
}

impl Grey for u8 {
    const WHITE: f32 = 255.0;

    fn floor(value: f32) -> u8 {
        value as u8
    }

    fn of_share(share: f64) -> u8 {
        (share * 255.0).round() as u8
    }

    fn to_eight(self) -> u8 {
        self
    }

    fn greys(values: Vec<u8>) -> Greys {
        Greys::Eight(values)
    }
}

impl Grey for u16 {
    const WHITE: f32 = 65_535.0;

    fn floor(value: f32) -> u16 {
        value as u16
    }

    fn of_share(share: f64) -> u16 {
        (share * 65_535.0).round() as u16
    }

    fn to_eight(self) -> u8 {
        ((u32::from(self) + 128) / 257) as u8
    }

    fn greys(values: Vec<u16>) -> Greys {
        Greys::Sixteen(values)
    }
}

/// Pixels of either depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greys {
    /// Of 8 bits.
    Eight(Vec<u8>),
    /// Of 16 bits.
    Sixteen(Vec<u16>),
}

impl Greys {
    /// In 8 bits, rounded.
    pub fn into_eight(self) -> Vec<u8> {
        match self {
            Greys::Eight(values) => values,
            Greys::Sixteen(values) => values.into_iter().map(Grey::to_eight).collect(),
        }
    }
}
