//! Which name in a file stands for which variable of a model.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use tch::Tensor;

use super::Tensors;

/// Names that wrappers commonly put before those of the model, preferred where two prefixes fit equally well.
const WRAPPERS: [&str; 8] = [
    "module",
    "model",
    "encoder",
    "backbone",
    "bert",
    "resnet",
    "img_encoder",
    "encoder_q", // MoCo: of its two encoders the one that is trained
];

/// LayerNorm parameters in BERT checkpoints converted from TensorFlow.
const OLD_ENDINGS: [(&str, &str); 2] = [(".gamma", ".weight"), (".beta", ".bias")];

/// The file's tensor for the model's variable `name`, and its name in the file.
pub(super) fn find<'t>(
    file: &'t Tensors,
    prefix: &str,
    name: &str,
) -> Option<(&'t String, &'t Tensor)> {
    file.get_key_value(&format!("{prefix}{name}")).or_else(|| {
        OLD_ENDINGS.iter().find_map(|(old, new)| {
            let stem = name.strip_suffix(new)?;
            file.get_key_value(&format!("{prefix}{stem}{old}"))
        })
    })
}

/// Two parts of a file that both fit the whole model.
pub(super) struct Ambiguous(pub(super) String, pub(super) String);

/// The prefix under which most of the file's tensors bear the model's names and shapes: "" or with its dot, such as "module.".
pub(super) fn prefix(file: &Tensors, variables: &[(String, Tensor)]) -> Result<String, Ambiguous> {
    let shapes: HashMap<&str, Vec<i64>> = variables
        .iter()
        .map(|(name, variable)| (name.as_str(), variable.size()))
        .collect();
    // Of each prefix: variables found in their shape, variables found.
    let mut scores: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, tensor) in file {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        for start in starts {
            let (prefix, rest) = name.split_at(start);
            let shape = shapes
                .get(rest)
                .or_else(|| shapes.get(modern(rest)?.as_str()));
            if let Some(shape) = shape {
                let score = scores.entry(prefix).or_default();
                score.0 += usize::from(*shape == tensor.size());
                score.1 += 1;
            }
        }
    }
    let mut ranked: Vec<_> = scores.into_iter().collect();
    ranked.sort_by_key(|&(prefix, score)| (Reverse(score), !is_common(prefix), prefix.len()));
    match ranked.as_slice() {
        [] => Ok(String::new()),
        &[(first, best), (second, score), ..]
            if score == best && best.0 == shapes.len() && is_common(first) == is_common(second) =>
        {
            Err(Ambiguous(first.to_owned(), second.to_owned()))
        }
        &[(first, _), ..] => Ok(first.to_owned()),
    }
}

fn modern(name: &str) -> Option<String> {
    OLD_ENDINGS
        .iter()
        .find_map(|(old, new)| Some(format!("{}{new}", name.strip_suffix(old)?)))
}

fn is_common(prefix: &str) -> bool {
    prefix
        .split_terminator('.')
        .all(|word| WRAPPERS.contains(&word))
}
