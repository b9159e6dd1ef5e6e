//! The settings of the segmentation head.

use mflag_head::{DataConfig, Settings, Unmarked};
use mflag_metrics::catalogue::{Metric, SEGMENTATION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the segmentation head.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationConfig {
    /// The loss.
    pub loss: Loss,
    /// Where the true masks come from.
    pub truth: Truth,
    /// How films without a mask or box are used.
    pub unmarked: Unmarked,
    /// Soft targets: in the loss, a pixel of the view that a mask covers in part is that part, from
    /// 0 to 1, as in MGCA; otherwise it is 0 or 1. In Dice, a pixel is set if more than half of it
    /// is covered; with soft targets, a mask that covers half of no pixel counts as empty.
    pub soft_targets: bool,
}

/// The loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// 10 · focal (γ 2) − log (soft Dice of the batch), as in MGCA.
    #[default]
    Mixed,
    /// 1 − soft Dice of the batch.
    Dice,
    /// Binary cross-entropy, averaged over pixels.
    Bce,
    /// The sum of `dice` and `bce`.
    DiceBce,
}

/// Where the true masks come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The data set's masks.
    #[default]
    Mask,
    /// The union of the data set's boxes, as in the published tables for RSNA.
    Boxes,
}

impl Settings for SegmentationConfig {
    const METRICS: &'static [Metric] = SEGMENTATION;

    fn check(&self, data: &DataConfig) -> Vec<String> {
        data.multiple_of(32, "the U-Net").into_iter().collect()
    }
}
