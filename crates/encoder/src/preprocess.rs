//! How a film is prepared for the network. The settings are stored with the weights.

use std::path::Path;

use mflag_film::{Film, Limits, Squared, Squaring, ViewGeometry};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Film → square → the same square at `resize` pixels a side → its centre of `side` pixels →
/// `(x / 255 − mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Preprocess {
    /// How a film becomes a square: as in the store that the network was trained on.
    pub square: Squaring,
    /// The side to which the square is resized, at most the square's. In older files it is absent,
    /// which means the square's side.
    pub resize: u32,
    /// The side of the centre that the network sees, at most `resize`. If both are equal, the
    /// network sees the whole square.
    pub side: u32,
    /// The grey value, from 0 to 1, that becomes 0.
    pub mean: f64,
    /// The difference from `mean` that becomes 1.
    pub std: f64,
}

/// The settings as files have them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    square: Squaring,
    resize: Option<u32>,
    side: u32,
    mean: f64,
    std: f64,
}

impl From<Stored> for Preprocess {
    fn from(stored: Stored) -> Preprocess {
        Preprocess {
            square: stored.square,
            resize: stored.resize.unwrap_or(stored.square.side),
            side: stored.side,
            mean: stored.mean,
            std: stored.std,
        }
    }
}

impl Preprocess {
    /// Whole squares, resized to `side`, with M-FLAG's normalisation (mean 0.5, std 0.5).
    pub fn new(square: Squaring, side: u32) -> Preprocess {
        Preprocess {
            square,
            resize: side,
            side,
            mean: 0.5,
            std: 0.5,
        }
    }

    /// Views of the squares of a store, with M-FLAG's normalisation (mean 0.5, std 0.5). `square`
    /// has the side [`ViewGeometry::square`].
    pub fn of_views(square: Squaring, view: ViewGeometry) -> Preprocess {
        Preprocess {
            resize: view.resize(),
            ..Preprocess::new(square, view.side())
        }
    }

    /// How the squares become views.
    ///
    /// # Errors
    /// As [`Preprocess::check`].
    pub fn view(&self) -> std::result::Result<ViewGeometry, String> {
        ViewGeometry::new(self.square.side, self.resize, self.side)
    }

    /// Checks the values, which may come from a damaged file.
    ///
    /// # Errors
    /// If not 1 ≤ `side` ≤ `resize` ≤ the square's side ≤ 16,384, or the normalisation is not
    /// finite or divides by zero.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Preprocess { mean, std, .. } = *self;
        self.view()?;
        let (square, largest) = (self.square.side, Limits::default().side);
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

    /// Reads a JPEG, PNG or DICOM file as a resized square of `resize` pixels: exactly the pixels
    /// from which training cuts its views.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::Film`] if it is not a film, is damaged or
    /// exceeds the limits. [`Error::Input`] as [`Preprocess::check`].
    pub fn read(&self, path: impl AsRef<Path>, limits: &Limits) -> Result<Film> {
        self.resized(self.square.read(path.as_ref(), limits)?)
    }

    /// Like [`read`](Self::read), for the content of a file.
    ///
    /// # Errors
    /// [`Error::Film`] if the content is not a film, is damaged or exceeds the limits.
    /// [`Error::Input`] as [`Preprocess::check`].
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<Film> {
        let squared = self.square.decode(bytes, limits);
        let squared = squared.map_err(|reason| Error::Film { path: None, reason })?;
        self.resized(squared)
    }

    /// The resized square that [`read`](Self::read) returns, from a film that
    /// [`square`](Self::square) has read or decoded.
    ///
    /// # Errors
    /// [`Error::Input`] as [`Preprocess::check`].
    pub fn resized(&self, squared: Squared) -> Result<Film> {
        let view = self.view().map_err(Error::Input)?;
        Ok(view.resized_film(squared.greys))
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

    /// Films as a batch f32 `[B, 1, side, side]` on `device`. The films are resized squares of
    /// [`read`](Self::read), or have any other size and become squares here.
    ///
    /// # Errors
    /// [`Error::Input`] as [`Preprocess::check`], or if a film does not have as many pixels as its
    /// sides require.
    pub fn batch(&self, films: &[Film], device: Device) -> Result<Tensor> {
        self.check().map_err(Error::Input)?;
        let view = self.view().map_err(Error::Input)?;
        let mut pixels = Vec::with_capacity(films.len() * (self.side as usize).pow(2));
        for film in films {
            let (w, h) = (film.width as usize, film.height as usize);
            if w == 0 || h == 0 || film.pixels.len() != w * h {
                return Err(Error::Input(format!(
                    "a film of {w}×{h} pixels has {} values",
                    film.pixels.len()
                )));
            }
            if [film.width, film.height] == [self.resize; 2] {
                pixels.extend(view.centre(&film.pixels));
            } else {
                pixels.extend(view.view(&self.square.square_film(film).pixels));
            }
        }
        let side = i64::from(self.side);
        let shape = [films.len() as i64, 1, side, side];
        let views = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?;
        self.normalise(&views.f_to_device(device)?)
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
        let resize = 300;
        for (bad, word) in [
            (Preprocess { side: 225, ..good }, "225 px"),
            (Preprocess { resize, ..good }, "300 px"),
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
    fn the_network_sees_the_whole_square_or_its_centre() {
        let mut film = Film::filled(8, 4, 0);
        film.pixels[8 + 3] = 255;
        let squaring = Squaring::new(8, Fit::Pad);
        let value = |preprocess: Preprocess, at: [i64; 2]| {
            let found = preprocess.batch(&[film.clone()], Device::Cpu).unwrap();
            assert_eq!(found.size(), [1, 1, 4, 4]);
            found.double_value(&[0, 0, at[0], at[1]])
        };
        let centre = Preprocess::of_views(squaring, ViewGeometry::new(8, 8, 4).unwrap());
        assert_eq!(value(centre, [1, 1]), 1.0);
        // In the square, the white pixel is in row 3 and column 3; at half the size, a quarter of a
        // pixel is white.
        let whole = value(Preprocess::new(squaring, 4), [1, 1]);
        assert!((whole + 0.5).abs() < 0.01, "{whole}");
    }

    #[test]
    fn settings_of_old_files_do_not_resize() {
        let square = r#"{"side": 256, "fit": "pad", "window": "voi", "depth": 8}"#;
        let squaring: Squaring = serde_json::from_str(square).unwrap();
        let old = format!(r#"{{"square": {square}, "side": 224, "mean": 0.5, "std": 0.5}}"#);
        let old: Preprocess = serde_json::from_str(&old).unwrap();
        let view = ViewGeometry::new(256, 256, 224).unwrap();
        assert_eq!(old, Preprocess::of_views(squaring, view));
        let written = serde_json::to_string(&old).unwrap();
        assert!(written.contains(r#""resize":256"#), "{written}");
        assert_eq!(serde_json::from_str::<Preprocess>(&written).unwrap(), old);
        let more = written.replace("resize", "resise");
        assert!(serde_json::from_str::<Preprocess>(&more).is_err());
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
