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

/// Children of a torchvision ResNet within a `Sequential`, which numbers them (ReLU and pooling are 2 and 3).
const NUMBERED: [(&str, &str); 6] = [
    ("0.", "conv1."),
    ("1.", "bn1."),
    ("4.", "layer1."),
    ("5.", "layer2."),
    ("6.", "layer3."),
    ("7.", "layer4."),
];

/// Other names that a file may have for the model's variable `name`.
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

/// Two parts of a file that both fit the whole model.
pub(super) struct Ambiguous(pub(super) String, pub(super) String);

/// The prefix under which most of the file's tensors bear the model's names and shapes: "" or with its dot, such as "module.".
pub(super) fn prefix(file: &Tensors, variables: &[(String, Tensor)]) -> Result<String, Ambiguous> {
    let shapes: HashMap<String, Vec<i64>> = variables
        .iter()
        .flat_map(|(name, variable)| {
            let names = aliases(name).chain([name.clone()]);
            names.map(|name| (name, variable.size()))
        })
        .collect();
    // Of each prefix: variables found in their shape, variables found.
    let mut scores: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, tensor) in file {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        for start in starts {
            let (prefix, rest) = name.split_at(start);
            if let Some(shape) = shapes.get(rest) {
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
            if score == best
                && best.0 == variables.len()
                && is_common(first) == is_common(second) =>
        {
            Err(Ambiguous(first.to_owned(), second.to_owned()))
        }
        &[(first, _), ..] => Ok(first.to_owned()),
    }
}

fn is_common(prefix: &str) -> bool {
    prefix
        .split_terminator('.')
        .all(|word| WRAPPERS.contains(&word))
}
