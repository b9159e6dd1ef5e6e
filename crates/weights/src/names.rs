//! Finds which tensor of a file belongs to which variable of a model.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use tch::Tensor;

use super::Tensors;

/// Prefixes that wrappers often put before the names of the model. If two prefixes fit equally
/// well, one of these wins.
const WRAPPERS: [&str; 8] = [
    "module",
    "model",
    "encoder",
    "backbone",
    "bert",
    "resnet",
    "img_encoder",
    "encoder_q", // the trained encoder of the two in MoCo
];

/// LayerNorm parameters in BERT checkpoints that were converted from TensorFlow.
const OLD_ENDINGS: [(&str, &str); 2] = [(".gamma", ".weight"), (".beta", ".bias")];

/// Children of a torchvision ResNet within a `Sequential`, which numbers them. ReLU is 2 and
/// pooling is 3; both have no weights.
const NUMBERED: [(&str, &str); 6] = [
    ("0.", "conv1."),
    ("1.", "bn1."),
    ("4.", "layer1."),
    ("5.", "layer2."),
    ("6.", "layer3."),
    ("7.", "layer4."),
];

/// Other names that a file may use for the model's variable `name`.
fn aliases(name: &str) -> impl Iterator<Item = String> {
    let old = OLD_ENDINGS
        .iter()
        .filter_map(move |(old, new)| Some(format!("{}{old}", name.strip_suffix(new)?)));
    let numbered = NUMBERED
        .iter()
        .filter_map(move |(number, child)| Some(format!("{number}{}", name.strip_prefix(child)?)));
    old.chain(numbered)
}

/// The file's tensor for the model's variable `name`, and its name in the file.
pub(super) fn find<'t>(
    file: &'t Tensors,
    prefix: &str,
    name: &str,
) -> Option<(&'t String, &'t Tensor)> {
    let named = |name: &str| file.get_key_value(&format!("{prefix}{name}"));
    named(name).or_else(|| aliases(name).find_map(|alias| named(&alias)))
}

/// Two prefixes that both fit the whole model.
pub(super) struct Ambiguous(pub(super) String, pub(super) String);

/// The prefix with which most of the model's variables are in the file, by name and shape: empty,
/// or with its dot, such as "module.".
pub(super) fn prefix(file: &Tensors, variables: &[(String, Tensor)]) -> Result<String, Ambiguous> {
    let mut ranked: Vec<_> = scores(file, variables).into_iter().collect();
    ranked.sort_by_key(|&(prefix, score)| (Reverse(score), !is_common(prefix), prefix.len()));
    match ranked.as_slice() {
        [] => Ok(String::new()),
        &[(first, best), (second, score), ..]
            if score == best
                && best.right_shape == variables.len()
                && is_common(first) == is_common(second) =>
        {
            Err(Ambiguous(first.to_owned(), second.to_owned()))
        }
        &[(first, _), ..] => Ok(first.to_owned()),
    }
}

/// How many of the model's variables a prefix finds. Ordered by the fields, the first one first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Variables found in their shape.
    right_shape: usize,
    /// Variables found in any shape.
    any_shape: usize,
}

/// The score of every prefix in the file that finds a variable.
fn scores<'f>(file: &'f Tensors, variables: &[(String, Tensor)]) -> BTreeMap<&'f str, Score> {
    let shapes: HashMap<String, Vec<i64>> = variables
        .iter()
        .flat_map(|(name, variable)| {
            let names = aliases(name).chain([name.clone()]);
            names.map(|name| (name, variable.size()))
        })
        .collect();
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for (name, tensor) in file {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        for start in starts {
            let (prefix, rest) = name.split_at(start);
            if let Some(shape) = shapes.get(rest) {
                let score = scores.entry(prefix).or_default();
                score.right_shape += usize::from(*shape == tensor.size());
                score.any_shape += 1;
            }
        }
    }
    scores
}

fn is_common(prefix: &str) -> bool {
    prefix
        .split_terminator('.')
        .all(|word| WRAPPERS.contains(&word))
}
