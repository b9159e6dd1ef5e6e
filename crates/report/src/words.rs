//! What metrics are called in a report.

use mflag_core::Direction;
use mflag_metrics::Metric;

/// Names with units of metrics whose own name says too little.
const NAMES: [(&str, &str); 31] = [
    ("loss", "Loss"),
    ("alignment_loss", "Alignment loss"),
    ("orthogonality_loss", "Orthogonality loss"),
    ("lr", "Learning rate"),
    ("gradient_norm", "Norm of the gradient"),
    ("samples_per_second", "Films a second"),
    (
        "outside_share",
        "Share of time outside forward, backward and optimiser",
    ),
    ("film_to_report", "Recall, film to report"),
    ("report_to_film", "Recall, report to film"),
    ("recall_mean", "Mean recall"),
    (
        "alignment",
        "Alignment, squared distance of pairs (0 to 4, lower is better)",
    ),
    ("uniformity", "Uniformity of films (lower is rounder)"),
    (
        "mean_cosine",
        "Mean cosine between films (near 1: collapsed)",
    ),
    ("rank", "Effective rank, encoder's output"),
    ("rank_projected", "Effective rank, projected films"),
    ("collapsed", "Collapse alarm"),
    ("auroc", "AUROC"),
    ("average_precision", "Average precision"),
    ("f1", "F1"),
    ("accuracy", "Accuracy"),
    ("calibration_error", "Calibration error (lower is better)"),
    ("labels_with_auroc", "Labels with AUROC"),
    ("dice", "Dice"),
    ("dice_positives", "Dice, films with a finding"),
    ("iou", "IoU"),
    ("iou_positives", "IoU, films with a finding"),
    ("map", "Average precision, IoU .40 to .75"),
    (
        "map_mgca",
        "Average precision, IoU .40 to .75, MGCA's films",
    ),
    ("ap", "Average precision, IoU .50 to .95"),
    ("ap50", "Average precision, IoU .50"),
    ("sensitivity", "Sensitivity"),
];

/// A metric in words; `film_to_report@5` and `auroc:Edema` keep what follows the sign.
pub(crate) fn title(metric: &str) -> String {
    let (family, member) = split(metric);
    let known = NAMES.iter().find(|(name, _)| *name == family);
    let name = known.map_or_else(
        || family.replace('_', " "),
        |(_, title)| (*title).to_owned(),
    );
    match member {
        Some(member) if metric.contains('@') => format!("{name} @{member}"),
        Some(member) => format!("{name}, {member}"),
        None => name,
    }
}

/// The family of a metric and which of it it is: `auroc:Edema` → `auroc`, `Edema`.
pub(crate) fn split(metric: &str) -> (&str, Option<&str>) {
    match metric.split_once(['@', ':']) {
        Some((family, member)) => (family, Some(member)),
        None => (metric, None),
    }
}

/// Whether it is of one label of several.
pub(crate) fn is_of_label(metric: &str) -> bool {
    metric.contains(':')
}

/// Whether its values are shares, from 0 to 1.
pub(crate) fn is_share(metric: &str) -> bool {
    let (family, _) = split(metric);
    let pretraining = ["film_to_report", "report_to_film", "recall_mean"];
    let heads = ["dice_positives", "iou_positives", "map_mgca", "ap", "ap50"];
    let named = Metric::ALL.iter().any(|m| m.name() == family);
    named || pretraining.contains(&family) || heads.contains(&family)
}

/// Which values are better.
pub(crate) fn direction(metric: &str) -> Direction {
    let (family, _) = split(metric);
    match Metric::ALL.iter().find(|m| m.name() == family) {
        Some(known) => known.direction(),
        None if family.contains("loss") => Direction::Lower,
        None => Direction::Higher,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_names() {
        assert_eq!(title("film_to_report@5"), "Recall, film to report @5");
        assert_eq!(title("auroc:Lung: edge"), "AUROC, Lung: edge");
        assert_eq!(title("some_other"), "some other");
        assert_eq!(direction("loss"), Direction::Lower);
        assert_eq!(direction("calibration_error"), Direction::Lower);
        assert_eq!(direction("auroc:loss"), Direction::Higher);
        assert!(is_share("auroc:x") && !is_share("rank"));
    }
}
