//! Latent space and retrieval against NumPy in float64 (`tests/oracle/latent.py`). The tolerance is
//! 1e-5, as the inputs are float32.

use mflag_metrics::{latent, retrieval};
use ndarray::Array2;
use serde_json::Value;

use crate::{golden, numbers};

fn matrix(golden: &Value, key: &str) -> Array2<f32> {
    let shape = (
        golden["n"].as_u64().unwrap() as usize,
        golden["d"].as_u64().unwrap() as usize,
    );
    let values = numbers(&golden[key]).iter().map(|v| *v as f32).collect();
    Array2::from_shape_vec(shape, values).unwrap()
}

fn close(ours: Option<f64>, golden: &Value, key: &str) {
    let theirs = golden[key].as_f64().unwrap();
    assert!(
        (ours.unwrap() - theirs).abs() < 1e-5,
        "{key}: {ours:?} instead of {theirs}"
    );
}

#[test]
fn latent_geometry_agrees_with_numpy() {
    let g = golden("latent", "latent");
    let (films, reports) = (matrix(&g, "films"), matrix(&g, "reports"));
    close(
        latent::effective_rank(&numbers(&g["singular_values"])),
        &g,
        "effective_rank",
    );
    close(
        latent::alignment(films.view(), reports.view()),
        &g,
        "alignment",
    );
    close(latent::uniformity(films.view()), &g, "uniformity");
    close(latent::mean_cosine(films.view()), &g, "mean_cosine");
}

#[test]
fn recall_agrees_with_numpy() {
    let g = golden("latent", "latent");
    let (films, reports) = (matrix(&g, "films"), matrix(&g, "reports"));
    let groups: Vec<u32> = numbers(&g["groups"]).iter().map(|v| *v as u32).collect();
    let ours =
        retrieval::recall(films.view(), reports.view(), &groups, &groups, &[1, 5, 10]).unwrap();
    for (ours, k) in ours.iter().zip(["1", "5", "10"]) {
        assert_eq!(*ours, g["recall"][k].as_f64().unwrap(), "recall@{k}");
    }
}
