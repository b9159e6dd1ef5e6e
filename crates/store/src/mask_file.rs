//! Which pixels of a mask's file are set.
//!
//! A mask has two values, black and one other. Files in use also hold several classes, soft edges
//! (a mask that was resized or smoothed), the noise of JPEG, or a background that is not quite
//! black. With `white` as the file's largest value and `black` as its smallest:
//!
//! 1. **Two values.** The larger is set. `black` must be at most 1/8 of it.
//! 2. **Classes**: values up to 31, or at most 32 different ones of which those between black and
//!    white fill areas. Every pixel that is not 0 is set. A JPEG cannot hold classes.
//! 3. **Soft**: all other files. Pixels of at least half of `white` are set. `black` must be at
//!    most 1/8 of `white`, and the grey pixels (between 1/4 and 3/4 of `white`) at most a quarter
//!    of the bright ones. The area is then right within 1 %: for a disc whose edge is a Gaussian
//!    step of width σ, the share of grey pixels is 2.7 σ/r, and the area changes by (σ/r)².
//!
//! Everything else is refused.

use std::collections::BTreeSet;

use mflag_film::{Film, StoredMask};

/// The largest value of a file that numbers its classes.
const CLASSES: u16 = 31;
/// Values of this share of white are as good as black: 1/8.
const BLACK: u16 = 8;
/// The most values that a message shows at each end of the range.
const SHOWN: usize = 4;

/// The set pixels of a mask's file.
#[derive(Debug)]
pub(crate) struct SetPixels {
    /// For each pixel, row by row, whether it is set.
    pub(crate) set: Vec<bool>,
    /// Whether the file is soft (rule 3), so that values were rounded to set or not set.
    pub(crate) soft: bool,
}

/// The set pixels of a mask, by the rules of [this module](self). The error is the reason why they
/// are unknown.
pub(crate) fn set_pixels(mask: &StoredMask) -> Result<SetPixels, String> {
    let StoredMask { values, lossy } = mask;
    let different: BTreeSet<u16> = values.pixels.iter().copied().collect();
    let (black, white) = match (different.first(), different.last()) {
        (Some(black), Some(white)) => (*black, *white),
        _ => (0, 0),
    };
    let refuse = |what: &str| {
        Err(format!(
            "{what}, so it is unknown which pixels belong to the mask; its values are {}: write a \
             PNG in which the mask is 255 and everything else 0",
            shown(&different)
        ))
    };
    let from = |least: u16| values.pixels.iter().map(|value| *value >= least).collect();
    if *lossy && (1..=CLASSES).contains(&white) {
        return refuse("the file is a JPEG with small values, which JPEG changes");
    }
    if different.len() > 1 && black > white / BLACK {
        return refuse("the file has no black background");
    }
    let hard = |least| {
        Ok(SetPixels {
            set: from(least),
            soft: false,
        })
    };
    if different.len() <= 2 {
        return hard(white.max(1));
    }
    if white <= CLASSES {
        return hard(1);
    }
    if !lossy && different.len() <= usize::from(CLASSES) + 1 {
        match areas_between(values, black, white) {
            Areas::None => {}
            Areas::Classes if black == 0 => return hard(1),
            _ => return refuse("the file has areas of several values, some of them nearly black"),
        }
    }
    let count = |is: &dyn Fn(u32) -> bool| {
        let values = values.pixels.iter().map(|value| u32::from(*value));
        values.filter(|value| is(*value)).count()
    };
    let white = u32::from(white);
    let bright = count(&|value| 4 * value >= 3 * white);
    if 4 * count(&|value| 4 * value > white && 4 * value < 3 * white) > bright {
        return refuse("the file has many grey pixels");
    }
    Ok(SetPixels {
        set: from(white.div_ceil(2) as u16),
        soft: true,
    })
}

/// Values between black and white that fill areas.
enum Areas {
    /// There are hardly any.
    None,
    /// All of them are well above black.
    Classes,
    /// Some are as good as black.
    NearlyBlack,
}

/// Looks for areas of values between `black` and `white`: pixels whose eight neighbours have the
/// same value. An edge has none, because the values change across it.
fn areas_between(film: &Film<u16>, black: u16, white: u16) -> Areas {
    let (width, height) = (film.width as usize, film.height as usize);
    let is_inside = |x: usize, y: usize| {
        let value = film.pixels[y * width + x];
        let rows = film.pixels.chunks_exact(width).skip(y - 1).take(3);
        rows.flat_map(|row| &row[x - 1..=x + 1])
            .all(|other| *other == value)
    };
    let (mut between, mut inside, mut dark) = (0, 0, 0);
    for (index, value) in film.pixels.iter().enumerate() {
        let (x, y) = (index % width, index / width);
        // White areas of a noisy file may lack a little to white.
        if *value == black || *value > white - white / BLACK {
            continue;
        }
        between += 1;
        let inner =
            (1..width.saturating_sub(1)).contains(&x) && (1..height.saturating_sub(1)).contains(&y);
        if inner && is_inside(x, y) {
            inside += 1;
            dark += usize::from(*value <= white / BLACK);
        }
    }
    match () {
        () if 2 * inside < between || inside == 0 => Areas::None,
        () if dark > 0 => Areas::NearlyBlack,
        () => Areas::Classes,
    }
}

/// The values for a message: the smallest and largest if there are many.
fn shown(different: &BTreeSet<u16>) -> String {
    let list = |values: &mut dyn Iterator<Item = &u16>| {
        let values: Vec<String> = values.map(u16::to_string).collect();
        values.join(", ")
    };
    if different.len() <= 2 * SHOWN {
        return list(&mut different.iter());
    }
    let mut last: Vec<&u16> = different.iter().rev().take(SHOWN).collect();
    last.reverse();
    format!(
        "{} … {} ({} different ones)",
        list(&mut different.iter().take(SHOWN)),
        list(&mut last.into_iter()),
        different.len()
    )
}
