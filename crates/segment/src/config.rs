//! The settings of the segmentation head.

use mflag_head::{DataConfig, Settings, Unmarked};
use mflag_metrics::catalogue::{Metric, SEGMENTATION};
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

impl Settings for SegmentationConfig {
    const METRICS: &'static [Metric] = SEGMENTATION;

    fn check(&self, data: &DataConfig) -> Vec<String> {
        data.multiple_of(32, "the U-Net needs")
            .into_iter()
            .collect()
    }
}
