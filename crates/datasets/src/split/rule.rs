//! The rules that split a data set, and the options that choose one.

use std::path::PathBuf;

use clap::ValueEnum;
use mflag_store::{Error, Result, Split};

use super::{HashSplit, draw};

/// How a data set is split. Its card in `datasets/` states which rules it offers, and with what
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// The splits of the release; if it has no validation split, a hash chooses training patients
    /// for validation
    Official,
    /// The split behind the published results of MGCA and M-FLAG, drawn as MGCA's program draws it
    Mgca,
    /// A hash of the patient's identifier splits all films, whatever their split in the release
    Patient,
}

impl Rule {
    /// The name of the rule on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Official => "official",
            Rule::Mgca => "mgca",
            Rule::Patient => "patient",
        }
    }
}

/// A rule that a data set offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// The rule.
    pub rule: Rule,
    /// Default part for validation. `None` if the rule takes the validation films of the release.
    pub validate: Option<f64>,
    /// Default part for test. `None` if the rule takes the test films of the release.
    pub test: Option<f64>,
}

/// Chooses a rule and its parts. A field that is `None` takes the default of the data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args)]
pub struct RuleOptions {
    /// Rule that splits the films into train, validate and test
    #[arg(id = "split", long = "split", value_name = "RULE", value_enum)]
    pub rule: Option<Rule>,
    /// Fraction of the films or patients for validation, from 0 to below 1; only for rules that
    /// draw validation films
    #[arg(long, value_name = "PART")]
    pub validate: Option<f64>,
    /// Fraction of the films or patients for test, from 0 to below 1; only for rules that draw test
    /// films
    #[arg(long, value_name = "PART")]
    pub test: Option<f64>,
    /// Seed of the hash or of the random draw [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Chooses a rule, or a table of splits instead.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct SplitOptions {
    /// The rule, which also decides which tables of the release are read.
    #[command(flatten)]
    pub by_rule: RuleOptions,
    /// CSV table with the columns `film` and `split` (train, validate or test), in place of a rule;
    /// or a folder with train.txt, val.txt and test.txt, a film in each line, as BenchX has them.
    /// Films that are not listed are left out
    #[arg(long, value_name = "PATH", conflicts_with_all = ["split", "validate", "test"])]
    pub list: Option<PathBuf>,
    /// File with the identifier of a test patient in each line, as CheXclusion has them; the rule
    /// `patient` splits the other patients
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "test"])]
    pub test_patients: Option<PathBuf>,
}

impl From<RuleOptions> for SplitOptions {
    fn from(by_rule: RuleOptions) -> SplitOptions {
        SplitOptions {
            by_rule,
            list: None,
            test_patients: None,
        }
    }
}

/// Assigns splits to the films of a data set: by a rule with all of its parts, or by a table.
#[derive(Debug, Clone)]
pub(crate) struct Splitter {
    pub(crate) rule: Rule,
    by_hash: HashSplit,
    pub(crate) list: Option<PathBuf>,
    pub(super) test_patients: Option<PathBuf>,
}

impl SplitOptions {
    /// Checks the options against the offers of a data set, and fills in its defaults.
    ///
    /// # Errors
    /// As [`RuleOptions::splitter`], or if test patients are listed for another rule than
    /// [`Rule::Patient`].
    pub(crate) fn splitter(&self, offers: &[Offer]) -> Result<Splitter> {
        let by_rule = match self.test_patients {
            Some(_) => self.by_rule.without_test(offers)?,
            None => self.by_rule,
        };
        Ok(Splitter {
            list: self.list.clone(),
            test_patients: self.test_patients.clone(),
            ..by_rule.splitter(offers)?
        })
    }
}

impl RuleOptions {
    /// The options for the patients who are not listed for test: the rule `patient`, which draws no
    /// test patients. By default, validation is as large as without the list.
    fn without_test(self, offers: &[Offer]) -> Result<RuleOptions> {
        if let Some(rule) = self.rule
            && rule != Rule::Patient
        {
            return Err(Error::Data(format!(
                "--test-patients: does not go with --split {}; use --split patient",
                rule.name()
            )));
        }
        let rule = Some(Rule::Patient);
        let offer = *RuleOptions { rule, ..self }.offer(offers)?;
        let default = offer
            .validate
            .map(|v| v / (1.0 - offer.test.unwrap_or(0.0)));
        Ok(RuleOptions {
            rule,
            validate: self.validate.or(default),
            test: Some(0.0),
            seed: self.seed,
        })
    }

    /// Checks the options against the offers of a data set, and fills in its defaults.
    ///
    /// # Errors
    /// If the data set does not offer the rule, if the rule does not draw the part or use the seed
    /// that was given, or if the parts are not allowed.
    pub(crate) fn splitter(&self, offers: &[Offer]) -> Result<Splitter> {
        let offer = self.offer(offers)?;
        self.check_is_drawn(offer)?;
        let part = |given: Option<f64>, default: Option<f64>| given.or(default).unwrap_or(0.0);
        Ok(Splitter {
            rule: offer.rule,
            by_hash: HashSplit::new(
                part(self.validate, offer.validate),
                part(self.test, offer.test),
                self.seed.unwrap_or(0),
            )?,
            list: None,
            test_patients: None,
        })
    }

    /// The offer of the chosen rule, or the first offer if no rule was chosen.
    fn offer<'a>(&self, offers: &'a [Offer]) -> Result<&'a Offer> {
        let is_chosen = |offer: &&Offer| self.rule.is_none_or(|rule| rule == offer.rule);
        offers.iter().find(is_chosen).ok_or_else(|| {
            let known: Vec<&str> = offers.iter().map(|offer| offer.rule.name()).collect();
            Error::Data(format!(
                "--split {}: this data set does not have this split (known: {})",
                self.rule.map_or("", Rule::name),
                known.join(", ")
            ))
        })
    }

    /// Refuses parts and a seed that the rule does not use.
    fn check_is_drawn(&self, offer: &Offer) -> Result<()> {
        let is_drawn = offer.validate.is_some() || offer.test.is_some();
        let flags = [
            (
                "--validate",
                self.validate.is_some() && offer.validate.is_none(),
            ),
            ("--test", self.test.is_some() && offer.test.is_none()),
            ("--seed", self.seed.is_some() && !is_drawn),
        ];
        match flags.iter().find(|(_, is_unused)| *is_unused) {
            Some((flag, _)) => Err(Error::Data(format!(
                "{flag}: not supported for the split '{}', because the release itself fixes the \
                 split of these films; remove the flag",
                offer.rule.name()
            ))),
            None => Ok(()),
        }
    }
}

impl Splitter {
    /// The split of a patient, by hash.
    pub(crate) fn by_hash(&self, patient: &str) -> Split {
        self.by_hash.split_of(patient)
    }

    /// The splits of `films` films in order, as [`Rule::Mgca`] draws them.
    ///
    /// # Errors
    /// If the seed does not fit the 32 bits of the generator.
    pub(crate) fn draw(&self, films: usize) -> Result<Vec<Split>> {
        let HashSplit {
            validate,
            test,
            seed,
        } = self.by_hash;
        let seed = seed.try_into().map_err(|_| {
            Error::Data(format!(
                "--seed {seed}: the split 'mgca' needs a seed below 2^32"
            ))
        })?;
        Ok(draw::splits(films, validate, test, seed))
    }
}
