//! Projective maps of the plane.

/// A projective map of the plane. It maps positions in the view to positions in the square. The
/// centre of the first pixel lies at (0.5, 0.5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Homography(pub(super) [f64; 9]);

impl Homography {
    pub(super) fn shift(x: f64, y: f64) -> Homography {
        Homography([1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0])
    }

    /// Turns a view of `side` pixels anticlockwise about its centre.
    pub(super) fn rotation(degrees: f64, side: u32) -> Homography {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let c = f64::from(side) / 2.0;
        Homography([
            cos,
            -sin,
            c - cos * c + sin * c,
            sin,
            cos,
            c - sin * c - cos * c,
            0.0,
            0.0,
            1.0,
        ])
    }

    /// Moves the corners of a view of `side` pixels to `corners`. If `corners` lie on one line, no
    /// such map exists, and the result is the identity.
    pub(super) fn perspective(side: u32, corners: &[(f64, f64); 4]) -> Homography {
        let end = f64::from(side - 1);
        let starts = [(0.0, 0.0), (end, 0.0), (end, end), (0.0, end)];
        let mut rows = [[0.0; 9]; 8];
        for (i, ((x, y), (u, v))) in corners.iter().zip(starts).enumerate() {
            rows[2 * i] = [*x, *y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, *x, *y, 1.0, -v * x, -v * y, v];
        }
        solve(rows).map_or(Homography::shift(0.0, 0.0), |a| {
            Homography([a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], 1.0])
        })
    }

    /// Magnifies a view of `side` pixels by `factor` about its centre.
    pub(super) fn scale(factor: f64, side: u32) -> Homography {
        let (scale, c) = (1.0 / factor, f64::from(side) / 2.0);
        Homography([
            scale,
            0.0,
            c - scale * c,
            0.0,
            scale,
            c - scale * c,
            0.0,
            0.0,
            1.0,
        ])
    }

    /// Swaps left and right of a view of `side` pixels.
    pub(super) fn mirror(side: u32) -> Homography {
        Homography([-1.0, 0.0, f64::from(side), 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    }

    /// Maps a point.
    pub(super) fn apply(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let m = &self.0;
        let depth = m[6] * x + m[7] * y + m[8];
        (
            (m[0] * x + m[1] * y + m[2]) / depth,
            (m[3] * x + m[4] * y + m[5]) / depth,
        )
    }

    /// The inverse map; `None` for a map of all points to one line.
    pub(super) fn inverse(&self) -> Option<Homography> {
        let m = &self.0;
        let minor = |a: usize, b: usize, c: usize, d: usize| m[a] * m[d] - m[b] * m[c];
        let adjugate = [
            minor(4, 5, 7, 8),
            minor(2, 1, 8, 7),
            minor(1, 2, 4, 5),
            minor(5, 3, 8, 6),
            minor(0, 2, 6, 8),
            minor(2, 0, 5, 3),
            minor(3, 4, 6, 7),
            minor(1, 0, 7, 6),
            minor(0, 1, 3, 4),
        ];
        let determinant = m[0] * adjugate[0] + m[1] * adjugate[3] + m[2] * adjugate[6];
        (determinant.abs() > 1e-12).then(|| Homography(adjugate.map(|v| v / determinant)))
    }

    /// The shift in pixels, if the map is a shift by whole pixels to the right and down.
    pub(super) fn whole_shift(&self) -> Option<(u32, u32)> {
        let [1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0] = self.0 else {
            return None;
        };
        let whole = |v: f64| v >= 0.0 && v.fract() == 0.0;
        (whole(x) && whole(y)).then_some((x as u32, y as u32))
    }

    /// The map that applies `inner` first, then this one.
    pub(super) fn after(&self, inner: &Homography) -> Homography {
        let (a, b) = (&self.0, &inner.0);
        Homography(std::array::from_fn(|i| {
            (0..3).map(|k| a[i / 3 * 3 + k] * b[k * 3 + i % 3]).sum()
        }))
    }
}

/// Solves eight equations with eight unknowns by Gaussian elimination with pivots; `None` if they
/// are singular.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-9 {
            return None;
        }
        rows.swap(column, pivot);
        let lead = rows[column];
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / lead[column];
            for (value, lead) in row.iter_mut().zip(lead) {
                *value -= factor * lead;
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}
