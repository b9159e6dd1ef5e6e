//! Views as M-FLAG's authors resample them: crop, then rotation, then perspective, each on the
//! pixels that the step before left. Both are Pillow's, pixel by pixel.

use mflag_film::Grey;

use super::homography::Homography;

/// The steps from a stored square to a view.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps {
    /// Left and upper edge of the crop in the square.
    pub(super) crop: [u32; 2],
    /// The rotation in degrees, anticlockwise.
    pub(super) degrees: f64,
    /// Maps positions in the view to positions in the rotated crop.
    pub(super) perspective: Option<Homography>,
}

impl Steps {
    /// Writes the view of `to` pixels a side of a square of `from` pixels a side.
    pub(super) fn resample<P: Grey>(&self, square: &[P], from: u32, view: &mut [P], to: u32) {
        let [left, top] = self.crop.map(|edge| edge as usize);
        let (from, to) = (from as usize, to as usize);
        let rows = (top..top + to).map(|row| &square[row * from + left..][..to]);
        let crop: Vec<P> = rows.flatten().copied().collect();
        let Some(perspective) = &self.perspective else {
            rotate(&crop, view, to, self.degrees);
            return;
        };
        let mut rotated = vec![P::default(); crop.len()];
        rotate(&crop, &mut rotated, to, self.degrees);
        bend(&rotated, view, to, perspective);
    }
}

/// Rotates about the centre. Each pixel is the nearest one of `film`, or black outside of it.
/// Positions are fixed-point numbers with 16 bits behind the point, as in Pillow.
fn rotate<P: Grey>(film: &[P], view: &mut [P], side: usize, degrees: f64) {
    let (sin, cos) = degrees.rem_euclid(360.0).to_radians().sin_cos();
    let [sin, cos] = [sin, cos].map(|v| (v * 1e15).round() / 1e15);
    let centre = side as f64 / 2.0;
    let fixed = |v: f64| (v * 65_536.0 + 0.5).floor() as i64;
    // The position in the film of the pixel (column, row) of the view.
    let start = |across: f64, down: f64| {
        let offset = across * -centre + down * -centre + centre;
        fixed(offset + across * 0.5 + down * 0.5)
    };
    let (mut x_of_row, mut y_of_row) = (start(cos, -sin), start(sin, cos));
    let [sin, minus_sin, cos] = [sin, -sin, cos].map(fixed);
    let inside = |position: i64| usize::try_from(position >> 16).ok().filter(|p| *p < side);
    for line in view.chunks_exact_mut(side) {
        let (mut x, mut y) = (x_of_row, y_of_row);
        for pixel in line {
            *pixel = match (inside(x), inside(y)) {
                (Some(column), Some(row)) => film[row * side + column],
                _ => P::default(),
            };
            (x, y) = (x + cos, y + sin);
        }
        (x_of_row, y_of_row) = (x_of_row + minus_sin, y_of_row + cos);
    }
}

/// Resamples bicubically (a = −1, rounded down). Pixels outside of `film` are black.
fn bend<P: Grey>(film: &[P], view: &mut [P], side: usize, map: &Homography) {
    let inside = |v: f64| (0.0..side as f64).contains(&v);
    for (row, line) in view.chunks_exact_mut(side).enumerate() {
        for (column, pixel) in line.iter_mut().enumerate() {
            let (x, y) = map.apply((column as f64 + 0.5, row as f64 + 0.5));
            *pixel = if inside(x) && inside(y) {
                bicubic(film, side, [x - 0.5, y - 0.5])
            } else {
                P::default()
            };
        }
    }
}

/// The value at the position (x, y) of `film`, from the sixteen pixels around it. Beyond an edge,
/// the pixels of the edge are repeated.
fn bicubic<P: Grey>(film: &[P], side: usize, position: [f64; 2]) -> P {
    // As `floor`, which is slow without SSE 4.1.
    let start = |v: f64| v as i64 - i64::from((v as i64) as f64 > v);
    let [x, y] = position;
    let (left, top) = (start(x), start(y));
    let (across, down) = (x - left as f64, y - top as f64);
    let (first, upper) = (left - 1, top - 1);
    let end = side as i64 - 1;
    let grey = |pixel: P| f64::from(Into::<f32>::into(pixel));
    let is_inner = |first: i64| (0..=end - 3).contains(&first);
    let rows = if is_inner(first) && is_inner(upper) {
        let around = &film[upper as usize * side + first as usize..];
        [0, 1, 2, 3].map(|row| {
            let line = &around[row * side..][..4];
            cubic([0, 1, 2, 3].map(|column| grey(line[column])), across)
        })
    } else {
        let clamped = |position: i64| position.clamp(0, end) as usize;
        [0, 1, 2, 3].map(|row| {
            let line = &film[clamped(upper + row) * side..][..side];
            let at = |column| grey(line[clamped(first + column)]);
            cubic([0, 1, 2, 3].map(at), across)
        })
    };
    let value = cubic(rows, down).clamp(0.0, f64::from(P::WHITE));
    P::floor(value as f32)
}

/// The cubic through four values at −1, 0, 1 and 2, at `t` from 0 to 1.
fn cubic([before, first, second, after]: [f64; 4], t: f64) -> f64 {
    let linear = second - before;
    let square = 2.0 * (before - first) + second - after;
    let cube = -before + first - second + after;
    first + t * (linear + t * (square + t * cube))
}
