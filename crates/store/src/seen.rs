//! What the network sees of the films of a run.

use std::fmt;

use mflag_film::ViewGeometry;

use crate::{Result, Store};

/// Below this share, the part of the films that is never seen counts as nothing.
const NOTHING: f64 = 0.0005;
/// Above this share, it is a warning.
const MUCH: f64 = 0.1;

/// How much of the films the network sees. Its words ([`Display`](fmt::Display)) are those of the
/// log and of the report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    view: ViewGeometry,
    at_random: bool,
    unseen: f64,
}

impl Seen {
    /// What a network sees of some films of a store, by their indices. `at_random` tells whether
    /// the views of training films are cut from random places.
    ///
    /// # Errors
    /// If a film of the store has no pixels.
    pub(crate) fn new(
        store: &Store,
        films: &[usize],
        view: ViewGeometry,
        at_random: bool,
    ) -> Result<Seen> {
        let squaring = store.squaring();
        let mut unseen = 0.0;
        for &film in films {
            unseen += 1.0 - view.shown(&store.records()[film].placement(&squaring)?);
        }
        Ok(Seen {
            view,
            at_random: at_random && !view.is_whole(),
            unseen: unseen / films.len().max(1) as f64,
        })
    }

    /// The share of a film's area that the view in the middle of the square does not show, from 0
    /// to 1; the mean over the films.
    pub fn unseen(&self) -> f64 {
        self.unseen
    }

    /// Says in the log if a part of the films is cut off. It is a warning if much is cut off and
    /// the configuration does not cut at random places, which see the whole film in the course of
    /// training.
    pub fn log(&self) {
        if self.unseen < NOTHING {
            return;
        }
        if self.unseen <= MUCH || self.at_random {
            tracing::info!("the network sees {self}");
            return;
        }
        let fix = if self.view.is_whole() {
            "prepare the films with --fit pad to see them whole"
        } else {
            "leave out data.resize to see whole films"
        };
        tracing::warn!("the network sees {self}, and findings there are missed; {fix}");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (square, resize) = (self.view.square(), self.view.resize());
        if self.view.is_whole() {
            write!(f, "the whole square of {square} px")?;
        } else {
            let side = self.view.side();
            write!(f, "{side} × {side} px of the square of {square} px")?;
        }
        if resize != square {
            write!(f, ", resized to {resize} px")?;
        }
        if self.at_random {
            write!(f, " (a random part in training, else the middle)")?;
        } else if !self.view.is_whole() {
            write!(f, " (the middle)")?;
        }
        if self.unseen < NOTHING {
            return Ok(());
        }
        let percent = 100.0 * self.unseen;
        let when = if self.at_random {
            "seen in training only"
        } else {
            "never seen"
        };
        write!(f, "; {percent:.1} % of a film's area is {when}")
    }
}
