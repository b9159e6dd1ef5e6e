//! Bilinear resampling of a square by a projective map.
//!
//! On processors with AVX2, eight pixels are computed at a time. The operations and their order are
//! the same as for one pixel, so the views are equal to the bit on all machines.

use mflag_film::Grey;

use super::homography::Homography;

/// Writes the view of `to` pixels a side of the square `film` of `from` pixels a side. `map` maps
/// positions in the view to positions in the square. Pixels outside of the square are black.
pub(super) fn resample<P: Grey>(film: &[P], from: u32, view: &mut [P], to: u32, map: &Homography) {
    let square = Square {
        film,
        side: from as usize,
    };
    let map = map.0.map(|v| v as f32);
    #[cfg(target_arch = "x86_64")]
    if avx2::can_resample(&square) {
        #[expect(unsafe_code, reason = "a function for processors with AVX2")]
        // SAFETY: `can_resample` has found AVX2.
        unsafe {
            avx2::resample(&square, view, to as usize, &map);
        }
        return;
    }
    for (row, line) in view.chunks_exact_mut(to as usize).enumerate() {
        square.resample(&map, row, 0, line);
    }
}

/// The square that is resampled.
struct Square<'a, P> {
    film: &'a [P],
    side: usize,
}

impl<P: Grey> Square<'_, P> {
    /// Writes pixels of a row of the view, from the column `first` on.
    fn resample(&self, m: &[f32; 9], row: usize, first: usize, pixels: &mut [P]) {
        let y = row as f32 + 0.5;
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let x = (first + index) as f32 + 0.5;
            let depth = m[6] * x + m[7] * y + m[8];
            let u = (m[0] * x + m[1] * y + m[2]) / depth - 0.5;
            let v = (m[3] * x + m[4] * y + m[5]) / depth - 0.5;
            *pixel = self.at(u, v);
        }
    }

    /// The value at the position (u, v), mixed from the four pixels around it.
    fn at(&self, u: f32, v: f32) -> P {
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let end = self.side as f32;
        if !(u > -1.0 && v > -1.0 && u < end && v < end) {
            return P::default();
        }
        let (left, top) = (u.floor(), v.floor());
        let (right_share, lower_share) = (u - left, v - top);
        let inside = |position: f32| (0.0..end).contains(&position);
        let pixel = |x: f32, y: f32| -> f32 {
            if inside(x) && inside(y) {
                self.film[y as usize * self.side + x as usize].into()
            } else {
                0.0
            }
        };
        let (right, below) = (left + 1.0, top + 1.0);
        let upper = mix(pixel(left, top), pixel(right, top), right_share);
        let lower = mix(pixel(left, below), pixel(right, below), right_share);
        P::rounded(mix(upper, lower, lower_share))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    #![expect(unsafe_code, reason = "intrinsics of AVX2")]

    use std::arch::x86_64::{
        __m256, __m256i, _CMP_GE_OQ, _CMP_LT_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
        _mm256_and_si256, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_cvttps_epi32, _mm256_div_ps,
        _mm256_i32gather_epi32, _mm256_movemask_ps, _mm256_mul_ps, _mm256_mullo_epi32,
        _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_ps, _mm256_setzero_ps, _mm256_srlv_epi32,
        _mm256_storeu_si256, _mm256_sub_ps,
    };

    use mflag_film::Grey;

    use super::Square;

    /// Pixels that are computed at a time.
    const LANES: usize = 8;
    /// The largest side whose positions fit into 32 bits.
    const LARGEST: usize = 1 << 14;

    /// Whether [`resample`] can resample this square on this machine.
    pub(super) fn can_resample<P: Grey>(square: &Square<'_, P>) -> bool {
        (4..=LARGEST).contains(&square.side)
            && square.film.len() >= square.side * square.side
            && matches!(size_of::<P>(), 1 | 2)
            && std::arch::is_x86_feature_detected!("avx2")
    }

    /// Writes the view. [`can_resample`] must have been true.
    #[target_feature(enable = "avx2")]
    pub(super) fn resample<P: Grey>(
        square: &Square<'_, P>,
        view: &mut [P],
        to: usize,
        map: &[f32; 9],
    ) {
        let eight = Eight::new(square, map);
        for (row, line) in view.chunks_exact_mut(to).enumerate() {
            for (block, pixels) in line.chunks_mut(LANES).enumerate() {
                let first = block * LANES;
                let is_written = match (&mut *pixels).try_into() {
                    Ok(pixels) => eight.write(row, first, pixels),
                    Err(_) => false,
                };
                if !is_written {
                    square.resample(map, row, first, pixels);
                }
            }
        }
    }

    /// What is the same for all pixels of a view, in eight lanes.
    struct Eight<'a, P> {
        square: &'a Square<'a, P>,
        map: [__m256; 9],
        side: __m256i,
        /// Positions from 0 to below this have all four pixels around them.
        end: __m256,
        /// The bits of a pixel.
        bits: __m256i,
    }

    impl<'a, P: Grey> Eight<'a, P> {
        #[target_feature(enable = "avx2")]
        fn new(square: &'a Square<'a, P>, map: &[f32; 9]) -> Eight<'a, P> {
            Eight {
                square,
                map: map.map(|v| _mm256_set1_ps(v)),
                side: _mm256_set1_epi32(square.side as i32),
                // Reading two pixels of 8 bits reads four bytes, which must lie in the film.
                end: _mm256_set1_ps((square.side - 2) as f32),
                bits: _mm256_set1_epi32(if size_of::<P>() == 1 { 0xff } else { 0xffff }),
            }
        }

        /// Writes eight pixels of a row of the view, from the column `first` on. Returns false, and
        /// writes nothing, if they lie neither all within the square nor all outside.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn write(&self, row: usize, first: usize, pixels: &mut [P; LANES]) -> bool {
            let [u, v] = self.positions(row, first);
            let within = |least, end| {
                let along = |at| {
                    let above = _mm256_cmp_ps::<_CMP_GE_OQ>(at, least);
                    _mm256_and_ps(above, _mm256_cmp_ps::<_CMP_LT_OQ>(at, end))
                };
                _mm256_movemask_ps(_mm256_and_ps(along(u), along(v)))
            };
            if within(_mm256_setzero_ps(), self.end) != 0xff {
                let side = _mm256_set1_ps(self.square.side as f32);
                let is_outside = within(_mm256_set1_ps(-1.0), side) == 0;
                if is_outside {
                    pixels.fill(P::default());
                }
                return is_outside;
            }
            let (left, top) = (_mm256_cvttps_epi32(u), _mm256_cvttps_epi32(v));
            let right_share = _mm256_sub_ps(u, _mm256_cvtepi32_ps(left));
            let lower_share = _mm256_sub_ps(v, _mm256_cvtepi32_ps(top));
            let place = _mm256_add_epi32(_mm256_mullo_epi32(top, self.side), left);
            let upper = self.mixed_pair(place, right_share);
            let lower = self.mixed_pair(_mm256_add_epi32(place, self.side), right_share);
            let value = mix(upper, lower, lower_share);
            // As `Grey::rounded`: the value is in the pixel's range.
            let rounded = _mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_set1_ps(0.5)));
            let mut values = [0i32; LANES];
            // SAFETY: `values` has 32 bytes.
            unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), rounded) };
            for (pixel, value) in pixels.iter_mut().zip(values) {
                *pixel = P::of_value(value as u16);
            }
            true
        }

        /// The positions in the square of eight pixels.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn positions(&self, row: usize, first: usize) -> [__m256; 2] {
            let m = &self.map;
            let lanes = _mm256_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
            let half = _mm256_set1_ps(0.5);
            let x = _mm256_add_ps(_mm256_add_ps(_mm256_set1_ps(first as f32), lanes), half);
            let y = _mm256_set1_ps(row as f32 + 0.5);
            let sum = |a: usize| {
                let both = _mm256_add_ps(_mm256_mul_ps(m[a], x), _mm256_mul_ps(m[a + 1], y));
                _mm256_add_ps(both, m[a + 2])
            };
            let depth = sum(6);
            // Not by `map`, whose code is not compiled for AVX2: it would call a function.
            let along = |sum| _mm256_sub_ps(_mm256_div_ps(sum, depth), half);
            [along(sum(0)), along(sum(3))]
        }

        /// The pixels at eight places, each mixed with its right neighbour.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn mixed_pair(&self, place: __m256i, share: __m256) -> __m256 {
            let film = self.square.film.as_ptr().cast::<i32>();
            // SAFETY: columns and rows are at most `side - 3`, and `place` is at most one row
            // below, so the four bytes from there lie in the film, which has `side²` pixels.
            let pair = unsafe {
                match size_of::<P>() {
                    1 => _mm256_i32gather_epi32::<1>(film, place),
                    _ => _mm256_i32gather_epi32::<2>(film, place),
                }
            };
            let width = _mm256_set1_epi32(8 * size_of::<P>() as i32);
            let grey = |pixel| _mm256_cvtepi32_ps(_mm256_and_si256(pixel, self.bits));
            mix(grey(pair), grey(_mm256_srlv_epi32(pair, width)), share)
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix(a: __m256, b: __m256, share: __m256) -> __m256 {
        _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), share))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn each_pixel<P: Grey>(film: &[P], side: usize, to: usize, map: &Homography) -> Vec<P> {
        let square = Square { film, side };
        let mut view = vec![P::default(); to * to];
        for (row, line) in view.chunks_exact_mut(to).enumerate() {
            square.resample(&map.0.map(|v| v as f32), row, 0, line);
        }
        view
    }

    fn check<P: Grey + std::fmt::Debug>(film: &[P], side: usize, to: usize, map: &Homography) {
        let mut view = vec![P::default(); to * to];
        resample(film, side as u32, &mut view, to as u32, map);
        assert_eq!(view, each_pixel(film, side, to, map));
    }

    proptest! {
        /// Rotated, shifted, magnified and bent views, partly outside of the square.
        #[test]
        fn eight_pixels_at_a_time_equal_each_pixel(
            side in 1usize..70,
            to in 1usize..70,
            angle in -180.0..180.0,
            shift in (-40.0..40.0, -40.0..40.0),
            scale in 0.1..3.0,
            bend in (-0.02..0.02, -0.02..0.02),
            seed: u32,
        ) {
            let mut map = Homography::shift(shift.0, shift.1)
                .after(&Homography::rotation(angle, to as u32))
                .after(&Homography::scale(scale, to as u32));
            (map.0[6], map.0[7]) = bend;
            let value = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 9;
            let film: Vec<u16> = (0..side * side).map(|i| value(i) as u16).collect();
            check(&film, side, to, &map);
            let film: Vec<u8> = film.iter().map(|pixel| *pixel as u8).collect();
            check(&film, side, to, &map);
        }
    }
}
