//! An encoder written and opened again.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_encoder::film::{FilmEncoder, write_encoder};
use mflag_encoder::preprocess::Preprocess;
use mflag_encoder::resnet::{Arch, ResNet};
use mflag_encoder::weights::write_safetensors;
use mflag_film::{Film, Fit, Squaring};
use serde_json::json;
use tch::{Device, Tensor, nn};

#[test]
fn an_encoder_opened_again_gives_the_same_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encoder.safetensors");
    let store = nn::VarStore::new(Device::Cpu);
    let network = ResNet::new(&store.root(), Arch::ResNet18).unwrap();
    let preprocess = Preprocess::new(Squaring::new(72, Fit::Pad), 64);
    let provenance = json!({"epoch": 3});
    write_encoder(
        &path,
        Arch::ResNet18,
        preprocess,
        &provenance,
        store.variables(),
    )
    .unwrap();

    let encoder = FilmEncoder::open(&path, Device::Cpu).unwrap();
    assert_eq!((encoder.width(), encoder.preprocess()), (512, preprocess));
    assert_eq!(encoder.provenance(), &provenance);
    let film = Film {
        width: 100,
        height: 60,
        pixels: (0..6000).map(|i| (i % 251) as u8).collect(),
    };
    let found = encoder
        .embed(&[film.clone(), Film::filled(9, 9, 3)])
        .unwrap();
    let batch = preprocess.batch(&[film], Device::Cpu).unwrap();
    let direct = tch::no_grad(|| network.forward(&batch, false)).unwrap();
    let far = (Tensor::from_slice(&found[0]) - direct.view(-1))
        .abs()
        .max()
        .double_value(&[]);
    assert!(far < 1e-4, "{far}");
}

#[test]
fn bare_weights_and_damage_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bare.safetensors");
    let variable = ("conv1.weight".to_owned(), Tensor::from_slice(&[1.0f32]));
    write_safetensors(&path, [variable], &Default::default()).unwrap();
    let say = || {
        FilmEncoder::open(&path, Device::Cpu)
            .unwrap_err()
            .to_string()
    };
    assert!(say().contains("nothing of its arch"), "{}", say());
    std::fs::write(&path, b"abc").unwrap();
    assert!(
        say().contains("bare.safetensors: is no whole safetensors file"),
        "{}",
        say()
    );
    std::fs::remove_file(&path).unwrap();
    assert!(say().contains("cannot read"), "{}", say());
}
