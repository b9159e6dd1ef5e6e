//! What a film goes through before the network; it travels with the weights.

use std::path::Path;

use mflag_film::{Film, Limits, Squared, Squaring};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Film → square → its middle of `side` pixels → `(x / 255 − mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// How the film becomes a square: that of the store which the network was trained on.
    pub square: Squaring,
    /// Side of the middle that the network sees, at most the square's.
    pub side: u32,
    /// Grey, from 0 to 1, that becomes 0.
    pub mean: f64,
    /// Distance from it that becomes 1.
    pub std: f64,
}

impl Preprocess {
    /// M-FLAG's normalisation (mean 0.5, std 0.5) for such squares and views of this side.
    pub fn new(square: Squaring, side: u32) -> Preprocess {
        Preprocess {
            square,
            side,
            mean: 0.5,
            std: 0.5,
        }
    }

    /// What is wrong with it, as with that of a damaged file.
    ///
    /// # Errors
    /// If a side is 0, the view larger than the square or this beyond 16,384 pixels, or the normalisation no number.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Preprocess {
            side, mean, std, ..
        } = *self;
        let square = self.square.side;
        if side == 0 || side > square || square > Limits::default().side {
            return Err(format!(
                "a view of {side} px out of a square of {square} px cannot be"
            ));
        }
        if !(mean.is_finite() && std.is_finite() && std > 0.0) {
            return Err(format!(
                "a normalisation by mean {mean} and std {std} cannot be"
            ));
        }
        Ok(())
    }

    /// The square of the film in a file: to the bit what preparation made of the file for training.
    ///
    /// # Errors
    /// If the file cannot be read, is no film, is damaged, or is beyond the limits.
    pub fn read(&self, path: &Path, limits: &Limits) -> Result<Film> {
        Ok(self.film(self.square.read(path, limits)?))
    }

    /// As [`Self::read`], for the content of a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<Film> {
        let squared = self.square.decode(bytes, limits);
        Ok(self.film(squared.map_err(|reason| Error::Input(format!("the film {reason}")))?))
    }

    fn film(&self, squared: Squared) -> Film {
        Film {
            width: self.square.side,
            height: self.square.side,
            pixels: squared.greys.into_eight(),
        }
    }

    /// The normalisation of a grey value `x` from 0 to 255, as `scale · x + shift`.
    pub(crate) fn scale_and_shift(&self) -> (f64, f64) {
        (1.0 / (255.0 * self.std), -self.mean / self.std)
    }

    /// Grey values u8 `[B, 1, S, S]`, on any device, as the network wants them: f32 of the same shape.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn normalise(&self, films: &Tensor) -> Result<Tensor> {
        let (scale, shift) = self.scale_and_shift();
        Ok(films
            .f_to_kind(Kind::Float)?
            .f_mul_scalar_(scale)?
            .f_add_scalar_(shift)?)
    }

    /// Films as a batch f32 `[B, 1, side, side]` on `device`: squares of [`Self::read`], or films of any size, which become
    /// squares here.
    ///
    /// # Errors
    /// If a film has not as many pixels as its sides say, or `side` is above `square`.
    pub fn batch(&self, films: &[Film], device: Device) -> Result<Tensor> {
        let (square_side, side) = (i64::from(self.square.side), i64::from(self.side));
        let mut pixels = Vec::with_capacity(films.len() * (self.square.side as usize).pow(2));
        for film in films {
            let (w, h) = (film.width as usize, film.height as usize);
            if w == 0 || h == 0 || film.pixels.len() != w * h || side > square_side {
                let problem = format!(
                    "a film of {w}×{h} with {} pixels cannot become a view of {side} px out of {square_side} px",
                    film.pixels.len()
                );
                return Err(Error::Input(problem));
            }
            pixels.extend(self.square.of(film).pixels);
        }
        let shape = [films.len() as i64, 1, square_side, square_side];
        let start = (square_side - side) / 2;
        let middle = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?
            .f_narrow(2, start, side)?
            .f_narrow(3, start, side)?
            .f_to_device(device)?;
        self.normalise(&middle)
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
    fn what_cannot_be_is_refused() {
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
            let told = bad.check().unwrap_err();
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn the_middle_of_the_square_is_seen() {
        let mut film = Film::filled(8, 4, 0);
        film.pixels[8 + 3] = 255;
        let found = Preprocess::new(Squaring::new(8, Fit::Pad), 4)
            .batch(&[film], Device::Cpu)
            .unwrap();
        assert_eq!(found.size(), [1, 1, 4, 4]);
        assert_eq!(found.double_value(&[0, 0, 1, 1]), 1.0);
    }

    #[test]
    fn a_film_that_lies_about_its_size_is_refused() {
        let film = Film {
            width: 8,
            height: 4,
            pixels: vec![0; 9],
        };
        let message = Preprocess::new(Squaring::new(8, Fit::Pad), 4)
            .batch(&[film], Device::Cpu)
            .unwrap_err();
        assert!(
            message.to_string().contains("8×4 with 9 pixels"),
            "{message}"
        );
    }
}
