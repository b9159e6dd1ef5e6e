//! Segmentation against scikit-learn's F1 and Jaccard score of the pixels, with MGCA's rule for
//! empty masks.

use mflag_metrics::segmentation::{Empty, Overlap, Overlaps};
use mflag_metrics::{Counts, mean_defined};
use serde_json::{Value, json};

use crate::{golden, list, same, scores};

#[test]
fn masks_agree_with_scikit_learn() {
    let golden = golden("metrics", "segmentation");
    let mut images = Overlaps::default();
    for image in golden["images"].as_array().unwrap() {
        let truth = list(&image["truth"], |v| v.as_u64().unwrap() as u8);
        images.push(Overlap::at(&scores(&image["probabilities"]), &truth, 0.5).unwrap());
    }
    for (empty, key) in [(Empty::Scored, "scored"), (Empty::LeftOut, "left_out")] {
        for (index, image) in images.images().iter().enumerate() {
            same(
                image.dice(empty),
                &golden["dice"][key][index],
                &format!("Dice of {index}"),
            );
            same(
                image.iou(empty),
                &golden["iou"][key][index],
                &format!("IoU of {index}"),
            );
        }
        let theirs = |score: &str| json!(mean_defined(list(&golden[score][key], Value::as_f64)));
        same(
            images.dice(empty, Counts::Once).unwrap(),
            &theirs("dice"),
            "mean Dice",
        );
        same(
            images.iou(empty, Counts::Once).unwrap(),
            &theirs("iou"),
            "mean IoU",
        );
    }
    let pooled = images.pooled();
    same(
        pooled.dice(Empty::LeftOut),
        &golden["pooled_dice"],
        "pooled Dice",
    );
    same(
        pooled.iou(Empty::LeftOut),
        &golden["pooled_iou"],
        "pooled IoU",
    );
}
