//! A service with only an encoder returns the embeddings of the encoder.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::process::Command;

use mflag_encoder::{Arch, FilmEncoder, Fit, Preprocess, ResNet, Squaring};
use mflag_tests::service::Service;
use tch::{Device, nn};

#[test]
fn embeddings_are_those_of_the_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("encoder.safetensors");
    let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), Arch::ResNet18).unwrap();
    let preprocess = Preprocess::new(Squaring::new(64, Fit::Pad), 64);
    let encoder = FilmEncoder::new(&network, preprocess, serde_json::Value::Null).unwrap();
    encoder.write(&weights).unwrap();

    let mut command = Command::new(env!("CARGO_BIN_EXE_mflag-service"));
    command.args(["--listen", "127.0.0.1:0", "--device", "cpu", "--encoder"]);
    let service = Service::start(command.arg(&weights));
    let film = image::GrayImage::from_fn(90, 60, |x, y| image::Luma([(x + 2 * y) as u8]));
    let saved = ["film.png", "film.jpg"].map(|name| {
        let file = folder.path().join(name);
        film.save(&file).unwrap();
        file
    });
    let golden = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/film_dicom"
    ));
    let dicom = ["jpeg_8.dcm", "implicit_16.dcm"].map(|name| golden.join(name));
    for file in saved.iter().chain(&dicom) {
        let expected = encoder.embed(&[encoder.read(file).unwrap()]).unwrap();
        let (status, found) = service.post("/film", &std::fs::read(file).unwrap());
        assert_eq!(status, 200, "{found}");
        assert!(found.get("findings").is_none());
        let found = mflag_tests::numbers(&found["embedding"]);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        // The service may use another number of threads, which changes the last bits of a sum.
        mflag_tests::assert_close(&found, &expected, 1e-5, &file.display().to_string());
    }
}
