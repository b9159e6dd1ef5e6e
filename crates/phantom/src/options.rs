//! Which phantom to write.

use mflag_core::Named;
use mflag_store::{Error, Result, Split};
use serde::Serialize;

use crate::cohort::Study;
use crate::layouts::{DEFAULT_LAYOUT, Layout};

/// The most films of a phantom.
const MOST_FILMS: usize = 5_000_000;

/// Which phantom to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// The data set whose layout the phantom takes.
    #[serde(skip_serializing_if = "is_default")]
    pub layout: &'static dyn Layout,
    /// Number of frontal films, at least 1. In some layouts, studies may have a lateral film, too.
    pub films: usize,
    /// Seed of all random numbers. The same seed gives the same bytes, on any number of threads.
    pub seed: u64,
    /// Longest side of a film in pixels, within [`Layout::sides`].
    pub side: u32,
    /// Fraction of the patients for validation, in [0, 1). 0 if the layout's files have no such
    /// split ([`Layout::splits`]).
    pub validate: f64,
    /// Fraction of the patients for testing, in [0, 1); less than 1 together with `validate`. 0 if
    /// the layout's files have no such split.
    pub test: f64,
}

fn is_default(layout: &&'static dyn Layout) -> bool {
    *layout == DEFAULT_LAYOUT
}

impl Options {
    /// 1000 films of seed 0 in the layout's default size. If the layout's files have a validation
    /// split, a tenth of the patients is for validation; the same holds for test.
    #[must_use]
    pub fn new(layout: &'static dyn Layout) -> Self {
        let fraction = |split| {
            if layout.splits().contains(&split) {
                0.1
            } else {
                0.0
            }
        };
        Self {
            layout,
            films: 1000,
            seed: 0,
            side: layout.default_side(),
            validate: fraction(Split::Validate),
            test: fraction(Split::Test),
        }
    }

    /// Checks all options.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = self
            .films_fault()
            .or_else(|| self.side_fault())
            .or_else(|| self.split_fault());
        fault.map_or(Ok(()), |fault| {
            Err(Error::Data(format!("phantom: {fault}")))
        })
    }

    fn films_fault(&self) -> Option<String> {
        let films = self.films;
        let valid = (1..=MOST_FILMS).contains(&films);
        (!valid).then(|| format!("films is {films}; choose 1 to {MOST_FILMS}"))
    }

    fn side_fault(&self) -> Option<String> {
        let (side, layout) = (self.side, self.layout);
        let (least, most) = layout.sides().into_inner();
        if (least..=most).contains(&side) {
            None
        } else if least == most {
            Some(format!(
                "side is {side}; films of {layout} must have {most} pixels"
            ))
        } else {
            Some(format!("side is {side}; choose {least} to {most} pixels"))
        }
    }

    fn split_fault(&self) -> Option<String> {
        let Self {
            layout,
            validate,
            test,
            ..
        } = self;
        for (split, fraction) in [(Split::Validate, validate), (Split::Test, test)] {
            if *fraction != 0.0 && !layout.splits().contains(&split) {
                let name = split.name();
                return Some(format!(
                    "{name} is {fraction}; choose 0: the files of {layout} have no {name} split; \
                     `mflag-data prepare` draws it"
                ));
            }
        }
        let is_fraction = |f: f64| (0.0..1.0).contains(&f);
        let valid = is_fraction(*validate) && is_fraction(*test) && is_fraction(validate + test);
        (!valid).then(|| {
            format!(
                "validate is {validate} and test is {test}; choose fractions of at least 0 whose \
                 sum is less than 1"
            )
        })
    }

    /// The split of a study.
    pub(crate) fn split(&self, study: &Study) -> Split {
        if study.place < self.test {
            Split::Test
        } else if study.place < self.test + self.validate {
            Split::Validate
        } else {
            Split::Train
        }
    }
}
