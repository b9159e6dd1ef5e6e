//! The metrics that mflag reports, each defined once: key, title, unit and direction.
//!
//! The key is the name in `metrics.jsonl`, `evaluation.json` and configurations. Title, unit and
//! direction say how reports show the metric. A key may end with a member of a family of metrics:
//! `auroc:Edema` is the AUROC of one label, `film_to_report@5` the recall among the 5 nearest
//! reports.

use mflag_core::Direction;

/// Unit of metrics between 0 and 1.
const SHARE: &str = "share, 0 to 1";
/// Unit of metrics that have none.
const VALUE: &str = "value";

/// A metric that runs report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in files and configurations.
    pub key: &'static str,
    /// Name for people, and title of its charts.
    pub title: &'static str,
    /// How to read its values, such as `lower is better`; empty where the title says enough.
    pub note: &'static str,
    /// Label of the axis that shows its values.
    pub unit: &'static str,
    /// Whether higher or lower values are better; `None` for a metric without better values.
    pub direction: Option<Direction>,
}

impl Metric {
    const fn new(
        key: &'static str,
        title: &'static str,
        unit: &'static str,
        direction: Option<Direction>,
    ) -> Metric {
        Metric {
            key,
            title,
            note: "",
            unit,
            direction,
        }
    }

    /// A metric whose higher values are better.
    const fn higher(key: &'static str, title: &'static str, unit: &'static str) -> Metric {
        Metric::new(key, title, unit, Some(Direction::Higher))
    }

    /// A metric whose lower values are better.
    const fn lower(key: &'static str, title: &'static str, unit: &'static str) -> Metric {
        Metric::new(key, title, unit, Some(Direction::Lower))
    }

    /// A metric that describes a run, without better values.
    const fn neutral(key: &'static str, title: &'static str, unit: &'static str) -> Metric {
        Metric::new(key, title, unit, None)
    }

    /// This metric with a `note`.
    const fn note(self, note: &'static str) -> Metric {
        Metric { note, ..self }
    }

    /// The key of this metric for one label: `auroc:Edema`.
    pub fn of_label(&self, label: &str) -> String {
        format!("{}:{label}", self.key)
    }

    /// The key of this metric for one k: `film_to_report@5`.
    pub fn at(&self, number: usize) -> String {
        format!("{}@{number}", self.key)
    }

    /// Whether its values lie between 0 and 1.
    pub fn is_share(&self) -> bool {
        self.unit == SHARE
    }
}

/// Defines a constant for each metric, and the list of all of them.
macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $metric:expr;)*) => {
        $($(#[$doc])* pub const $name: Metric = $metric;)*

        /// All metrics.
        pub const ALL: &[Metric] = &[$($name),*];
    };
}

metrics! {
    // Training.
    /// Total loss.
    LOSS = Metric::lower("loss", "Loss", VALUE);
    /// Alignment term of the pre-training loss.
    ALIGNMENT_LOSS = Metric::lower("alignment_loss", "Alignment loss", VALUE);
    /// Orthogonality term of the pre-training loss.
    ORTHOGONALITY_LOSS = Metric::lower("orthogonality_loss", "Orthogonality loss", VALUE);
    /// Detection: loss of the centres of boxes.
    PLACE = Metric::lower("place", "Loss of box centres", VALUE);
    /// Detection: loss of the sizes of boxes.
    SIZE = Metric::lower("size", "Loss of box sizes", VALUE);
    /// Detection: loss of whether a cell holds a box.
    OBJECTNESS = Metric::lower("objectness", "Objectness loss", VALUE);
    /// Detection: loss of the classes of boxes.
    CLASS = Metric::lower("class", "Class loss", VALUE);
    /// Learning rate.
    LR = Metric::neutral("lr", "Learning rate", VALUE);
    /// Norm of the gradient before clipping.
    GRADIENT_NORM = Metric::neutral("gradient_norm", "Norm of the gradient", VALUE);
    /// Training films per second.
    SAMPLES_PER_SECOND = Metric::higher("samples_per_second", "Films a second", "films / s");
    /// Share of a step's time outside forward pass, backward pass and optimiser.
    OUTSIDE_SHARE = Metric::lower(
        "outside_share", "Share of time outside forward, backward and optimiser", SHARE);

    // Pre-training.
    /// [Recall](crate::retrieval::recall) of reports, searched by their films.
    FILM_TO_REPORT = Metric::higher("film_to_report", "Recall, film to report", SHARE);
    /// [Recall](crate::retrieval::recall) of films, searched by their reports.
    REPORT_TO_FILM = Metric::higher("report_to_film", "Recall, report to film", SHARE);
    /// Mean recall of both searches at all k.
    RECALL_MEAN = Metric::higher("recall_mean", "Mean recall", SHARE);
    /// [`alignment`](crate::latent::alignment) of films and their reports.
    ALIGNMENT = Metric::lower("alignment", "Alignment of pairs", "squared distance")
        .note("0 to 4, lower is better");
    /// [`uniformity`](crate::latent::uniformity) of the projected films.
    UNIFORMITY = Metric::lower("uniformity", "Uniformity of films", "log of the mean potential")
        .note("lower is rounder");
    /// [`mean_cosine`](crate::latent::mean_cosine) between the projected films.
    MEAN_COSINE = Metric::lower("mean_cosine", "Mean cosine between films", "cosine")
        .note("near 1: collapsed");
    /// [`effective_rank`](crate::latent::effective_rank) of the encoder's output.
    RANK = Metric::higher("rank", "Effective rank, encoder's output", "effective rank");
    /// [`effective_rank`](crate::latent::effective_rank) of the projected films.
    RANK_PROJECTED = Metric::higher(
        "rank_projected", "Effective rank, projected films", "effective rank");
    /// 1 if the effective rank or the mean cosine shows a collapse of the latent space, else 0.
    COLLAPSED = Metric::lower("collapsed", "Collapse alarm", VALUE);

    // Classification.
    /// [`Ranking::auroc`](crate::classification::Ranking::auroc).
    AUROC = Metric::higher("auroc", "AUROC", SHARE);
    /// [`Ranking::average_precision`](crate::classification::Ranking::average_precision).
    AVERAGE_PRECISION = Metric::higher("average_precision", "Average precision", SHARE);
    /// [`Confusion::f1`](crate::classification::Confusion::f1).
    F1 = Metric::higher("f1", "F1", SHARE);
    /// [`Confusion::accuracy`](crate::classification::Confusion::accuracy) of labels, or
    /// [`class_accuracy`](crate::classification::class_accuracy).
    ACCURACY = Metric::higher("accuracy", "Accuracy", SHARE);
    /// [`calibration_error`](crate::classification::calibration_error).
    CALIBRATION_ERROR = Metric::lower("calibration_error", "Calibration error", SHARE)
        .note("lower is better");
    /// Number of labels whose AUROC is defined.
    LABELS_WITH_AUROC = Metric::neutral("labels_with_auroc", "Labels with AUROC", VALUE);

    // Segmentation.
    /// [Dice](crate::segmentation::Overlaps::dice) of all films.
    DICE = Metric::higher("dice", "Dice", SHARE);
    /// [Dice](crate::segmentation::Overlaps::dice) of the films with a finding.
    DICE_POSITIVES = Metric::higher("dice_positives", "Dice, films with a finding", SHARE);
    /// [IoU](crate::segmentation::Overlaps::iou) of all films.
    IOU = Metric::higher("iou", "IoU", SHARE);
    /// [IoU](crate::segmentation::Overlaps::iou) of the films with a finding.
    IOU_POSITIVES = Metric::higher("iou_positives", "IoU, films with a finding", SHARE);

    // Detection.
    /// [Mean average precision](crate::detection::Matches::mean_average_precision) at
    /// [MGCA's thresholds](crate::detection::MGCA_THRESHOLDS).
    MAP = Metric::higher("map", "Average precision, IoU .40 to .75", SHARE);
    /// [`MAP`] of the films that MGCA's evaluation counts.
    MAP_MGCA = Metric::higher(
        "map_mgca", "Average precision, IoU .40 to .75, MGCA's films", SHARE);
    /// Average precision at IoU .50.
    AP50 = Metric::higher("ap50", "Average precision, IoU .50", SHARE);
    /// Mean average precision at COCO's thresholds.
    AP = Metric::higher("ap", "Average precision, IoU .50 to .95", SHARE);
    /// [`Matches::sensitivity`](crate::detection::Matches::sensitivity).
    SENSITIVITY = Metric::higher("sensitivity", "Sensitivity", SHARE);
}

/// Metrics of a classification; each may choose the best checkpoint or fill a table.
pub const CLASSIFICATION: &[Metric] = &[AUROC, AVERAGE_PRECISION, F1, ACCURACY, CALIBRATION_ERROR];
/// Metrics of a segmentation; each may choose the best checkpoint or fill a table.
pub const SEGMENTATION: &[Metric] = &[DICE, DICE_POSITIVES, IOU, IOU_POSITIVES];
/// Metrics of a detection; each may choose the best checkpoint or fill a table.
pub const DETECTION: &[Metric] = &[MAP, MAP_MGCA, AP50, AP];

/// The metric of a key, with or without a member; `None` for an unknown key.
pub fn find(key: &str) -> Option<&'static Metric> {
    let (family, _) = split(key);
    ALL.iter().find(|metric| metric.key == family)
}

/// The family and the member of a key: `auroc:Edema` gives `auroc` and `Edema`.
pub fn split(key: &str) -> (&str, Option<&str>) {
    match key.split_once(['@', ':']) {
        Some((family, member)) => (family, Some(member)),
        None => (key, None),
    }
}

/// Whether a key names the metric of one label, such as `auroc:Edema`.
pub fn is_of_label(key: &str) -> bool {
    key.contains(':')
}

/// Whether the values of a key lie between 0 and 1.
pub fn is_share(key: &str) -> bool {
    find(key).is_some_and(Metric::is_share)
}

/// The title of a key with its member: `AUROC, Edema`. An unknown key becomes words.
pub fn title(key: &str) -> String {
    let (family, member) = split(key);
    let title = find(key).map_or_else(|| family.replace('_', " "), |m| m.title.to_owned());
    match member {
        Some(member) if key.contains('@') => format!("{title} @{member}"),
        Some(member) => format!("{title}, {member}"),
        None => title,
    }
}

/// The [`title`] of a key with the note of its metric: `Calibration error (lower is better)`.
pub fn title_with_note(key: &str) -> String {
    match find(key).map_or("", |metric| metric.note) {
        "" => title(key),
        note => format!("{} ({note})", title(key)),
    }
}

/// The unit of a key.
pub fn unit(key: &str) -> &'static str {
    find(key).map_or(VALUE, |metric| metric.unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct() {
        let mut keys: Vec<&str> = ALL.iter().map(|metric| metric.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), ALL.len());
    }

    #[test]
    fn metrics_that_choose_a_checkpoint_have_a_direction() {
        let chosen = [
            CLASSIFICATION,
            SEGMENTATION,
            DETECTION,
            &[LOSS, RECALL_MEAN],
        ]
        .concat();
        assert!(chosen.iter().all(|metric| metric.direction.is_some()));
    }

    #[test]
    fn titles_keep_the_member_of_a_key() {
        assert_eq!(title(&FILM_TO_REPORT.at(5)), "Recall, film to report @5");
        assert_eq!(title(&AUROC.of_label("Lung: edge")), "AUROC, Lung: edge");
        assert_eq!(title("some_other"), "some other");
        assert_eq!(title("calibration_error"), "Calibration error");
        let with_note = title_with_note("calibration_error");
        assert_eq!(with_note, "Calibration error (lower is better)");
    }

    #[test]
    fn a_member_has_the_direction_and_unit_of_its_family() {
        let direction = |key| find(key).unwrap().direction;
        assert_eq!(direction("auroc:loss"), Some(Direction::Higher));
        assert!(is_share("auroc:x") && !is_share("rank") && !is_share("unknown"));
        assert_eq!((unit("auroc:x"), unit("unknown")), (SHARE, VALUE));
    }
}
