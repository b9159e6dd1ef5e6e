//! Telling by names and shapes which model weights belong to, for messages.

use std::fmt;

/// A model, as far as its variables tell.
#[derive(Debug, PartialEq)]
pub(super) enum Family {
    /// A ResNet of this depth, and what sets it apart from the one that mflag has.
    ResNet(u32, Option<&'static str>),
    /// A BERT of so many layers, with its hidden size where its word embeddings tell.
    Bert(usize, Option<i64>),
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::ResNet(depth, None) => write!(f, "ResNet-{depth}"),
            Family::ResNet(depth, Some(variant)) => write!(f, "ResNet-{depth} {variant}"),
            Family::Bert(layers, None) => write!(f, "BERT of {layers} layers"),
            Family::Bert(layers, Some(width)) => {
                write!(f, "BERT of {layers} layers and hidden size {width}")
            }
        }
    }
}

/// The family of variables given by name and shape; names may carry a prefix.
pub(super) fn family(variables: &[(&str, Vec<i64>)]) -> Option<Family> {
    let has = |part: &str| variables.iter().any(|(name, _)| name.contains(part));
    let bottleneck = has("layer1.0.conv3.");
    let depth = match (count(variables, "layer3."), bottleneck) {
        (2, false) => Some(18),
        (6, false) => Some(34),
        (6, true) => Some(50),
        (23, true) => Some(101),
        (36, true) => Some(152),
        _ => None,
    };
    if let Some(depth) = depth.filter(|_| has("layer1.0.conv1.")) {
        return Some(Family::ResNet(depth, variant(variables)));
    }
    let width = variables
        .iter()
        .find(|(name, _)| name.ends_with("word_embeddings.weight"))
        .and_then(|(_, shape)| shape.get(1).copied());
    match count(variables, "encoder.layer.") {
        0 => None,
        layers => Some(Family::Bert(layers, width)),
    }
}

/// What sets a ResNet apart from torchvision's plain one.
fn variant(variables: &[(&str, Vec<i64>)]) -> Option<&'static str> {
    let has = |part: &str| variables.iter().any(|(name, _)| name.contains(part));
    let kernels = variables
        .iter()
        .find(|(name, _)| name.ends_with("layer1.0.conv2.weight"))
        .map(|(_, shape)| shape.as_slice());
    if has("conv1.0.weight") {
        return Some("with a stem of three convolutions (timm's resnet50d and the like)");
    }
    if has("layer1.0.se.") {
        return Some("with squeeze and excitation");
    }
    match kernels {
        Some(&[output, input, ..]) if input < output => Some("of grouped convolutions (ResNeXt)"),
        Some(&[output, ..]) if output > 64 => Some("of double width"),
        _ => None,
    }
}

/// How many blocks there are: the highest number after `marker`, plus one.
fn count(variables: &[(&str, Vec<i64>)], marker: &str) -> usize {
    variables
        .iter()
        .filter_map(|(name, _)| {
            let (_, rest) = name.split_once(marker)?;
            rest.split('.').next()?.parse::<u16>().ok()
        })
        .max()
        .map_or(0, |highest| usize::from(highest) + 1)
}
