//! The settings of the detection head.

use mflag_head::{DataConfig, Settings, Unmarked};
use mflag_metrics::catalogue::{DETECTION, Metric};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only class if `head.classes` is empty.
const FINDING: &str = "finding";

/// The settings of the detection head.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectionConfig {
    /// Labels of the boxes to find, a class each. Boxes with other labels are left out. If empty,
    /// all boxes belong to one class, `finding`.
    pub classes: Vec<String>,
    /// How films without a box of these classes are used.
    pub unmarked: Unmarked,
    /// Where the anchors come from: the shapes that predicted boxes start from.
    pub anchors: AnchorSource,
    /// Which cells learn a box, and which predicted boxes are duplicates.
    pub assignment: Rules,
    /// Lowest confidence of a predicted box. Boxes below it are left out, in evaluation too. MGCA's
    /// value, 0.5, leaves out most of the boxes that average precision counts; 0.001 keeps them.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// If two predicted boxes of a class have an IoU above this (with `assignment: mgca`, of at
    /// least this), the less confident one is removed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub overlap: f64,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        DetectionConfig {
            classes: Vec::new(),
            unmarked: Unmarked::default(),
            anchors: AnchorSource::default(),
            assignment: Rules::default(),
            confidence: 0.5,
            overlap: 0.5,
        }
    }
}

/// The rules for shapes, cells and duplicates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// Sides have their true length. A cell that learns a box does not learn "no box". Predicted
    /// boxes are cut at the edges of the view.
    #[default]
    Strict,
    /// As MGCA's code. Sides are a cell longer where anchors are compared, and a pixel longer where
    /// duplicates are removed. If the nearest anchor of a box has an IoU of at most one half, its
    /// cell learns the box and "no box" at once. `map_mgca` counts boxes as they were predicted,
    /// beyond the edges of the view, too; all other metrics and files have them cut.
    Mgca,
}

/// Where the nine anchors come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnchorSource {
    /// YOLOv3's anchors for COCO, scaled from 416 pixels to the side of the view, as in MGCA.
    #[default]
    Coco,
    /// K-means over the shapes of the training boxes.
    Kmeans,
}

impl DetectionConfig {
    /// Names of the classes.
    pub(crate) fn names(&self) -> Vec<String> {
        if self.classes.is_empty() {
            vec![FINDING.to_owned()]
        } else {
            self.classes.clone()
        }
    }

    /// The index of the class of boxes with this label; `None` if they are left out.
    pub(crate) fn class_of(&self, label: &str) -> Option<usize> {
        if self.classes.is_empty() {
            return Some(0);
        }
        self.classes.iter().position(|class| class == label)
    }
}

impl Settings for DetectionConfig {
    const METRICS: &'static [Metric] = DETECTION;

    fn check(&self, data: &DataConfig) -> Vec<String> {
        let mut problems: Vec<String> = data.multiple_of(32, "YOLOv3").into_iter().collect();
        for (index, class) in self.classes.iter().enumerate() {
            if self.classes[..index].contains(class) {
                problems.push(format!("head.classes: '{class}' is listed twice"));
            }
        }
        problems
    }
}
