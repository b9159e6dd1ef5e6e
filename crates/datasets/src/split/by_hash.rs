//! Splits by a hash of the patient's identifier.

use mflag_core::seed::uniform;
use mflag_store::{Error, Result, Split};

/// Splits patients by a hash of their identifier.
///
/// All films of a patient share a split. The split depends only on the identifier, the seed and the
/// two parts, so adding or removing films does not change the split of any other patient.
///
/// If the test part grows, its earlier patients stay in it. If the validation part grows, its
/// earlier patients stay in it, too, and the test patients stay the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashSplit {
    pub(super) validate: f64,
    pub(super) test: f64,
    pub(super) seed: u64,
}

impl HashSplit {
    /// Assigns the part `validate` of the patients to validation, the part `test` to test and the
    /// rest to training.
    ///
    /// # Errors
    /// If a part is not in [0, 1), or if both parts together leave no patient for training.
    pub fn new(validate: f64, test: f64, seed: u64) -> Result<HashSplit> {
        let allowed = 0.0..1.0;
        if allowed.contains(&validate) && allowed.contains(&test) && validate + test < 1.0 {
            return Ok(HashSplit {
                validate,
                test,
                seed,
            });
        }
        Err(Error::Data(format!(
            "the parts {validate} for validation and {test} for test are not allowed: each must be \
             from 0 to below 1, and both together below 1"
        )))
    }

    /// The split of a patient.
    pub fn split_of(&self, patient: &str) -> Split {
        // The test part comes first, so that the validation part does not move test patients.
        match uniform(b"mflag-split-01", self.seed, patient) {
            hash if hash < self.test => Split::Test,
            hash if hash < self.test + self.validate => Split::Validate,
            _ => Split::Train,
        }
    }
}
