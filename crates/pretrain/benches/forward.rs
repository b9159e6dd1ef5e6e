//! Times the forward pass of ResNet-50 in evaluation mode, channels-last, on u8 films of 224 px in
//! memory. Each line of standard input is a number of batches to time; for each, prints a line of
//! JSON, as `benches/common.py` expects.
#![allow(missing_docs, reason = "a benchmark")]

use std::time::Instant;

use anyhow::{Context, Result};
use mflag_encoder::{Arch, Preprocess, ResNet};
use mflag_film::{Fit, Squaring};
use mflag_train::{Precision, TrainerConfig, setup, shim};
use tch::{Device, Kind, Tensor, nn};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let batch: i64 = words.next().context("forward BATCH fp32|bf16")?.parse()?;
    let precision = match words.next().as_deref() {
        Some("fp32") => Precision::Fp32,
        _ => Precision::Bf16,
    };
    setup(&TrainerConfig::default())?;
    let _no_gradients = tch::no_grad_guard();
    let variables = nn::VarStore::new(Device::Cpu);
    let network = ResNet::new(&variables.root(), Arch::ResNet50)?;
    for variable in variables.variables().values().filter(|v| v.dim() == 4) {
        shim::channels_last(variable)?;
    }
    let films = Tensor::randint(256, [batch, 1, 224, 224], (Kind::Uint8, Device::Cpu));
    let preprocess = Preprocess::new(Squaring::new(256, Fit::Pad), 224);
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line)? > 0 {
        let mut seconds = Vec::new();
        for _ in 0..line.trim().parse::<usize>()? {
            let begin = Instant::now();
            let forward = || -> mflag_pretrain::Result<Tensor> {
                Ok(network.forward(&preprocess.normalise(&films)?, false)?)
            };
            let _ = precision.inference(Device::Cpu, forward)?;
            seconds.push(begin.elapsed().as_secs_f64());
        }
        println!("{}", serde_json::json!({"seconds": seconds}));
        line.clear();
    }
    Ok(())
}
