//! How a film is prepared for the network. The settings are stored with the weights.

use std::path::Path;

use mflag_film::{Film, Limits, Squaring};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Film → square → its centre of `side` pixels → `(x / 255 − mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// How a film becomes a square: as in the store that the network was trained on.
    pub square: Squaring,
    /// The side of the centre that the network sees, at most the square's.
    pub side: u32,
    /// The grey value, from 0 to 1, that becomes 0.
    pub mean: f64,
    /// The difference from `mean` that becomes 1.
    pub std: f64,
}

impl Preprocess {
    /// Squares and centres of these sizes with M-FLAG's normalisation (mean 0.5, std 0.5).
    pub fn new(square: Squaring, side: u32) -> Preprocess {
        Preprocess {
            square,
            side,
            mean: 0.5,
            std: 0.5,
        }
    }

    /// Checks the values, which may come from a damaged file.
    ///
    /// # Errors
    /// If a side is 0, the centre is larger than the square, the square is larger than 16,384
    /// pixels, or the normalisation is not finite or divides by zero.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Preprocess {
            side, mean, std, ..
        } = *self;
        let (square, largest) = (self.square.side, Limits::default().side);
        if side == 0 || side > square {
            return Err(format!(
                "the view ({side} px) must be from 1 px to the square ({square} px)"
            ));
        }
        if square > largest {
            return Err(format!(
                "the square ({square} px) is larger than {largest} px"
            ));
        }
        if !(mean.is_finite() && std.is_finite() && std > 0.0) {
            return Err(format!(
                "the normalisation (mean {mean}, std {std}) must be finite, with std above 0"
            ));
        }
        Ok(())
    }

    /// Reads a JPEG, PNG or DICOM file as a square: exactly the pixels that preparation for
    /// training makes of the file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::Film`] if it is not a film, is damaged or
    /// exceeds the limits.
    pub fn read(&self, path: impl AsRef<Path>, limits: &Limits) -> Result<Film> {
        Ok(self.square.read(path.as_ref(), limits)?.into_film())
    }

    /// Like [`read`](Self::read), for the content of a file.
    ///
    /// # Errors
    /// [`Error::Film`] if the content is not a film, is damaged or exceeds the limits.
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<Film> {
        let squared = self.square.decode(bytes, limits);
        let squared = squared.map_err(|reason| Error::Film { path: None, reason })?;
        Ok(squared.into_film())
    }

    /// The normalisation of a grey value `x` from 0 to 255, as `scale · x + shift`.
    pub(crate) fn scale_and_shift(&self) -> (f64, f64) {
        (1.0 / (255.0 * self.std), -self.mean / self.std)
    }

    /// Normalises grey values u8 `[B, 1, S, S]` on any device to f32 of the same shape.
    ///
    /// # Errors
    /// [`Error::Torch`] if memory does not suffice.
    pub fn normalise(&self, films: &Tensor) -> Result<Tensor> {
        let (scale, shift) = self.scale_and_shift();
        Ok(films
            .f_to_kind(Kind::Float)?
            .f_mul_scalar_(scale)?
            .f_add_scalar_(shift)?)
    }

    /// Films as a batch f32 `[B, 1, side, side]` on `device`. The films are squares of
    /// [`read`](Self::read), or have any size and become squares here.
    ///
    /// # Errors
    /// [`Error::Input`] if a film does not have as many pixels as its sides require, or `side` is
    /// larger than the square.
    pub fn batch(&self, films: &[Film], device: Device) -> Result<Tensor> {
        self.check().map_err(Error::Input)?;
        let (square_side, side) = (i64::from(self.square.side), i64::from(self.side));
        let mut pixels = Vec::with_capacity(films.len() * (self.square.side as usize).pow(2));
        for film in films {
            let (w, h) = (film.width as usize, film.height as usize);
            if w == 0 || h == 0 || film.pixels.len() != w * h {
                return Err(Error::Input(format!(
                    "a film of {w}×{h} pixels has {} values",
                    film.pixels.len()
                )));
            }
            pixels.extend(self.square.square_film(film).pixels);
        }
        let shape = [films.len() as i64, 1, square_side, square_side];
        let start = i64::from(mflag_film::centre_start(self.square.side, self.side));
        let centre = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?
            .f_narrow(2, start, side)?
            .f_narrow(3, start, side)?
            .f_to_device(device)?;
        self.normalise(&centre)
    }
}

#[cfg(test)]
mod tests {
    use mflag_film::Fit;

    use super::*;

    #[test]
    fn black_and_white_become_minus_one_and_one() {
        let films = Tensor::from_slice(&[0u8, 255]).view([2, 1, 1, 1]);
        let found = Preprocess::new(Squaring::new(1, Fit::Pad), 1)
            .normalise(&films)
            .unwrap();
        assert_eq!(
            Vec::<f32>::try_from(found.flatten(0, -1)).unwrap(),
            [-1.0, 1.0]
        );
    }

    #[test]
    fn invalid_settings_are_refused() {
        let good = Preprocess::new(Squaring::new(256, Fit::Pad), 224);
        assert_eq!(good.check(), Ok(()));
        let huge = Squaring::new(4_000_000_000, Fit::Pad);
        for (bad, word) in [
            (Preprocess { side: 300, ..good }, "300 px"),
            (
                Preprocess {
                    square: huge,
                    ..good
                },
                "4000000000 px",
            ),
            (Preprocess { std: 0.0, ..good }, "std 0"),
        ] {
            let message = bad.check().unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn the_network_sees_the_centre_of_the_square() {
        let mut film = Film::filled(8, 4, 0);
        film.pixels[8 + 3] = 255;
        let found = Preprocess::new(Squaring::new(8, Fit::Pad), 4)
            .batch(&[film], Device::Cpu)
            .unwrap();
        assert_eq!(found.size(), [1, 1, 4, 4]);
        assert_eq!(found.double_value(&[0, 0, 1, 1]), 1.0);
    }

    #[test]
    fn a_film_with_too_many_pixels_is_refused() {
        let film = Film {
            width: 8,
            height: 4,
            pixels: vec![0; 9],
        };
        let error = Preprocess::new(Squaring::new(8, Fit::Pad), 4)
            .batch(&[film], Device::Cpu)
            .unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error:?}");
        assert!(error.to_string().contains("8×4 pixels has 9 values"));
    }
}
