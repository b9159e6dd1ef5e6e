//! Times the orthogonality loss, forward and backward, for D = 2048, alternately with the `[D, D]`
//! and the `[B, B]` matrix. Prints one line of JSON per batch size, with the seconds of each pass.
#![allow(missing_docs, reason = "a benchmark")]

use std::time::Instant;

use mflag_pretrain::loss::{Gram, OrthogonalityForm, orthogonality};
use tch::{Device, Kind, Tensor};

const WIDTH: i64 = 2048;
const TURNS: usize = 21;

fn main() {
    for batch in [16, 64, 256] {
        let x = Tensor::rand([batch, WIDTH], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let turns = (0..=TURNS).map(|_| (time(&x, Gram::Features), time(&x, Gram::Samples)));
        let (features, samples): (Vec<f64>, Vec<f64>) = turns.skip(1).unzip();
        let line = serde_json::json!({"batch": batch, "features": features, "samples": samples});
        println!("{line}");
    }
}

fn time(x: &Tensor, gram: Gram) -> f64 {
    let begin = Instant::now();
    if let Ok(Some(loss)) = orthogonality(x, OrthogonalityForm::Official, 0.0051, gram, None) {
        loss.backward();
    }
    let _ = x.grad().zero_();
    begin.elapsed().as_secs_f64()
}
