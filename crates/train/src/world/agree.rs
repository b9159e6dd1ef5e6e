//! Whether all ranks train the same.

use std::collections::{BTreeMap, BTreeSet};

use mflag_core::digest;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::World;
use crate::error::{Error, Result};

/// What all ranks must have in common, by name.
pub type Facts = BTreeMap<String, Value>;

impl World {
    /// Checks that the `facts` are the same on all ranks.
    ///
    /// # Errors
    /// If they differ; the message names each difference. Or if a rank is lost.
    pub fn agree(&self, facts: &Facts) -> Result<()> {
        let bytes = serde_json::to_vec(facts).map_err(|e| Error::Launch(e.to_string()))?;
        let all = self.gather_bytes(&bytes)?;
        let all = all.iter().map(|bytes| serde_json::from_slice(bytes));
        let all: Vec<Facts> = all
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::Launch(format!("the ranks are of different versions: {e}")))?;
        match differences(&all)[..] {
            [] => Ok(()),
            ref differences => Err(Error::Launch(format!(
                "the ranks would not train the same:\n{}\nStart all of them with the same program, \
                 configuration and data",
                differences.join("\n")
            ))),
        }
    }

    /// Checks that the tensors have the same bits on all ranks.
    ///
    /// # Errors
    /// If they differ, or a rank is lost.
    pub(crate) fn agree_on(&self, tensors: &[(String, Tensor)]) -> Result<()> {
        let mut digests = Facts::new();
        for (name, tensor) in tensors {
            let bytes = tensor.detach().f_contiguous()?.f_view([-1])?;
            let bytes = Vec::<u8>::try_from(bytes.f_view_dtype(Kind::Uint8)?)?;
            digests.insert(format!("digest of {name}"), digest::bytes(&bytes).into());
        }
        self.agree(&digests)
    }
}

/// How the facts of each rank differ from those of rank 0, a line each.
fn differences(all: &[Facts]) -> Vec<String> {
    let Some((first, others)) = all.split_first() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (rank, facts) in (1..).zip(others) {
        let names: BTreeSet<&String> = first.keys().chain(facts.keys()).collect();
        for name in names {
            let value = |facts: &Facts| facts.get(name).cloned().unwrap_or_default();
            let (of_first, own) = (value(first), value(facts));
            if own != of_first {
                lines.push(format!(
                    "  - {name} is {own} on rank {rank}, but {of_first} on rank 0"
                ));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_from_rank_0_is_named() {
        let facts = |seed: i32| Facts::from([("train.seed".to_owned(), seed.into())]);
        assert!(differences(&[facts(1), facts(1)]).is_empty());
        let found = differences(&[facts(1), facts(1), facts(2), Facts::new()]);
        let expected = [
            "  - train.seed is 2 on rank 2, but 1 on rank 0",
            "  - train.seed is null on rank 3, but 1 on rank 0",
        ];
        assert_eq!(found, expected);
    }
}
