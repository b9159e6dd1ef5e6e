//! The settings of the detection head.

use mflag_head::{DataConfig, Settings, Unmarked};
use mflag_metrics::catalogue::{DETECTION, Metric};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one class where none is named.
const FINDING: &str = "finding";

/// The settings of the detection head.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectionConfig {
    /// Labels of the boxes to find, a class each; boxes of other labels are left out. Without any, all boxes are of one class,
    /// `finding`.
    pub classes: Vec<String>,
    /// What a film is that has no box (of these classes).
    pub unmarked: Unmarked,
    /// Shapes that boxes are told from.
    pub anchors: Anchors,
    /// Boxes at least so confident are predicted, and these alone are judged. MGCA's 0.5 leaves out most of what average precision
    /// counts; 0.001 keeps it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Of two predicted boxes of a class with an IoU above this, the less confident goes.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub overlap: f64,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        DetectionConfig {
            classes: Vec::new(),
            unmarked: Unmarked::default(),
            anchors: Anchors::default(),
            confidence: 0.5,
            overlap: 0.5,
        }
    }
}

/// Where the nine shapes come from that boxes are told from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anchors {
    /// YOLOv3's for COCO, scaled from 416 pixels to the side of the view: MGCA's.
    #[default]
    Coco,
    /// The means of the training boxes' shapes by k-means.
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

    /// The class of boxes with a label; `None` where they are left out.
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
        let mut problems: Vec<String> = data.multiple_of(32, "YOLOv3 needs").into_iter().collect();
        for (place, class) in self.classes.iter().enumerate() {
            if self.classes[..place].contains(class) {
                problems.push(format!("head.classes: '{class}' is there twice"));
            }
        }
        problems
    }
}
