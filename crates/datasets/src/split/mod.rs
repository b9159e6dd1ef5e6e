//! Training, validation and test: by whose rule a data set is divided, fractions of the training patients, and a check that
//! nothing is in two splits.

mod drawn;

use clap::ValueEnum;
use mflag_core::seed::uniform;

use mflag_store::{Error, Result, Split};

/// By whose rule a data set is divided. Which ones a data set has, and with what counts, is in its card in `datasets/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// The parts of the release; of its training patients a part validates, by hash, where the release has no such part
    Official,
    /// The films of the tables that MGCA, and M-FLAG after it, publish: drawn with the generator of its programs
    Mgca,
    /// A hash of the patient's identifier, over all films
    Patient,
}

impl Rule {
    /// The name as the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Official => "official",
            Rule::Mgca => "mgca",
            Rule::Patient => "patient",
        }
    }
}

/// How a data set shall be divided. What is left out is as usual for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args)]
pub struct Choice {
    /// By whose rule films train, validate and test; each data set has some of these (see its card)
    #[arg(id = "split", long = "split", value_name = "RULE", value_enum)]
    pub rule: Option<Rule>,
    /// Part of the films or patients for validation, where the rule chooses them: from 0 to below 1
    #[arg(long, value_name = "PART")]
    pub validate: Option<f64>,
    /// Part of the films or patients for test, where the rule chooses them: from 0 to below 1
    #[arg(long, value_name = "PART")]
    pub test: Option<f64>,
    /// Chooses them [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// A rule that a data set has, with the usual parts; `None` for a part that the data set gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// The rule.
    pub rule: Rule,
    /// Part for validation.
    pub validate: Option<f64>,
    /// Part for test.
    pub test: Option<f64>,
}

/// A choice made: a rule, with its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    pub(crate) rule: Rule,
    parts: Parts,
}

impl Choice {
    /// The choice among a data set's offers, of which the first is the usual one.
    ///
    /// # Errors
    /// If the data set has no such rule, the rule no use for what was given, or parts are not allowed.
    pub(crate) fn among(self, offers: &[Offer]) -> Result<Division> {
        let wanted = |offer: &&Offer| self.rule.is_none_or(|rule| rule == offer.rule);
        let Some(offer) = offers.iter().find(wanted) else {
            let known: Vec<&str> = offers.iter().map(|offer| offer.rule.name()).collect();
            return Err(Error::Data(format!(
                "--split {}: this data set has no such split (known: {})",
                self.rule.map_or("", Rule::name),
                known.join(", ")
            )));
        };
        let chosen = offer.validate.is_some() || offer.test.is_some();
        let useless = [
            (
                "--validate",
                self.validate.is_some() && offer.validate.is_none(),
            ),
            ("--test", self.test.is_some() && offer.test.is_none()),
            ("--seed", self.seed.is_some() && !chosen),
        ];
        if let Some((flag, _)) = useless.iter().find(|(_, given)| *given) {
            return Err(Error::Data(format!(
                "{flag}: the split '{}' of this data set is given; leave it out",
                offer.rule.name()
            )));
        }
        let part = |given: Option<f64>, usual: Option<f64>| given.or(usual).unwrap_or(0.0);
        Ok(Division {
            rule: offer.rule,
            parts: Parts::new(
                part(self.validate, offer.validate),
                part(self.test, offer.test),
                self.seed.unwrap_or(0),
            )?,
        })
    }
}

impl Division {
    /// The split of a patient by hash.
    pub(crate) fn of(&self, patient: &str) -> Split {
        self.parts.of(patient)
    }

    /// The splits of `n` films in order, as [`Rule::Mgca`] draws them.
    ///
    /// # Errors
    /// If the seed is too large for the generator.
    pub(crate) fn draw(&self, n: usize) -> Result<Vec<Split>> {
        let Parts {
            validate,
            test,
            seed,
        } = self.parts;
        let seed = seed.try_into().map_err(|_| {
            Error::Data(format!(
                "--seed {seed}: the split 'mgca' takes seeds below 2^32"
            ))
        })?;
        Ok(drawn::splits(n, validate, test, seed))
    }
}

/// Splits by a hash of the patient's identifier: all films of a patient share a split, and it depends on nothing but
/// the identifier, the seed and the two parts, so films that come or go move nobody.
///
/// A larger test part keeps the test patients that a smaller one had; a larger validation part leaves the test
/// patients alone and keeps the validation patients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    validate: f64,
    test: f64,
    seed: u64,
}

impl Parts {
    /// Parts of the patients for validation and test, each in [0, 1) and less than 1 together; the rest trains.
    ///
    /// # Errors
    /// If nobody is left to train on, or a part is no such number.
    pub fn new(validate: f64, test: f64, seed: u64) -> Result<Parts> {
        let part = 0.0..1.0;
        if part.contains(&validate) && part.contains(&test) && validate + test < 1.0 {
            return Ok(Parts {
                validate,
                test,
                seed,
            });
        }
        Err(Error::Data(format!(
            "the parts {validate} for validation and {test} for test are not allowed: each must be from 0 to below 1, \
             and both together below 1"
        )))
    }

    /// The split of a patient.
    pub fn of(&self, patient: &str) -> Split {
        // Test first, so that the validation part can change without moving the test patients.
        match uniform(b"mflag-split-01", self.seed, patient) {
            place if place < self.test => Split::Test,
            place if place < self.test + self.validate => Split::Validate,
            _ => Split::Train,
        }
    }
}
