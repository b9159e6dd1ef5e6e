//! The settings of the segmentation head.

use mflag_head::{DataConfig, Settings};
use mflag_train::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the segmentation head.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationConfig {
    /// What is learned.
    pub loss: Loss,
    /// What is outlined on a film.
    pub truth: Truth,
    /// What a film is on which nothing is outlined.
    pub unmarked: Unmarked,
}

/// What is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// 10 · focal (γ 2) − log (soft Dice of the batch): MGCA's.
    #[default]
    Mixed,
    /// 1 − soft Dice of the batch.
    Dice,
    /// Binary cross-entropy, mean over pixels.
    Bce,
    /// The sum of the two before.
    DiceBce,
}

/// What is outlined on a film.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The data set's masks.
    #[default]
    Mask,
    /// The union of its boxes, as the published tables have RSNA.
    Boxes,
}

/// What a film is on which nothing is outlined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmarked {
    /// A film with an empty mask: right for data sets of findings that may be absent.
    #[default]
    Negative,
    /// A film that nobody has outlined, such as one of a set where only some have lung masks.
    LeftOut,
}

impl Settings for SegmentationConfig {
    const MONITORS: &'static [(&'static str, Direction)] = &[
        ("loss", Direction::Lower),
        ("dice", Direction::Higher),
        ("dice_positives", Direction::Higher),
        ("iou", Direction::Higher),
    ];

    fn check(&self, data: &DataConfig) -> Vec<String> {
        if data.side.is_multiple_of(32) {
            return vec![];
        }
        let near = (data.side / 32).max(1) * 32;
        vec![format!(
            "data.side: {} is no multiple of 32, as the U-Net needs; take {near} or {}",
            data.side,
            near + 32
        )]
    }
}
