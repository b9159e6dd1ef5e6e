//! Film encoders: made from a network, written, opened and used.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_encoder::{
    Arch, Error, Film, FilmEncoder, Fit, Limits, Preprocess, ResNet, Squaring, ViewGeometry,
    ndarray, tch,
};
use mflag_tests::formula;
use mflag_weights::write_safetensors;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, nn};

/// An encoder with the weights and statistics of `mflag_tests::formula`.
fn encoder(arch: Arch, provenance: Value) -> FilmEncoder {
    let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), arch).unwrap();
    tch::no_grad(|| {
        for (name, mut variable) in network.variables() {
            let shape = variable.size();
            let values = Tensor::from_slice(&formula::weights(&name, &shape));
            variable.copy_(&values.view(&shape[..]));
        }
    });
    let preprocess = Preprocess::new(Squaring::new(72, Fit::Pad), 64);
    FilmEncoder::new(&network, preprocess, provenance).unwrap()
}

/// A film of 100×60 pixels without symmetry.
fn film() -> Film {
    Film {
        width: 100,
        height: 60,
        pixels: (0..6000).map(|i| (i % 251) as u8).collect(),
    }
}

#[test]
fn an_encoder_opened_again_gives_the_same_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encoder.safetensors");
    let original = encoder(Arch::ResNet18, json!({"epoch": 3}));
    original.write(&path).unwrap();
    let opened = FilmEncoder::open(&path, Device::Cpu).unwrap();

    assert_eq!((opened.arch(), opened.width()), (Arch::ResNet18, 512));
    assert_eq!(opened.preprocess(), original.preprocess());
    assert_eq!(opened.provenance(), &json!({"epoch": 3}));
    assert_eq!(opened.metadata().unwrap(), original.metadata().unwrap());
    let films = [film(), Film::filled(9, 9, 3)];
    let vectors = opened.embed(&films).unwrap();
    assert_eq!(vectors.dim(), (2, 512));
    assert_eq!(vectors, original.embed(&films).unwrap());

    let again = dir.path().join("again.safetensors");
    opened.write(&again).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(again).unwrap());
}

/// Files of older versions have no `resize`: they saw the centre of the square at its full size.
#[test]
fn an_encoder_of_an_older_version_gives_the_same_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encoder.safetensors");
    let whole = encoder(Arch::ResNet18, Value::Null);
    let network = whole.network();
    let centre = ViewGeometry::new(72, 72, 64).unwrap();
    let preprocess = Preprocess::of_views(Squaring::new(72, Fit::Pad), centre);
    let encoder = FilmEncoder::new(network, preprocess, Value::Null).unwrap();
    let square = json!({"side": 72, "fit": "pad", "window": "voi", "depth": 8});
    let old = json!({"square": square, "side": 64, "mean": 0.5, "std": 0.5});
    let mut metadata = encoder.metadata().unwrap();
    metadata.insert("preprocess".to_owned(), old.to_string());
    write_safetensors(&path, network.variables(), &metadata).unwrap();
    let opened = FilmEncoder::open(&path, Device::Cpu).unwrap();
    assert_eq!(opened.preprocess(), preprocess);
    let films = [film()];
    let vectors = opened.embed(&films).unwrap();
    assert_eq!(vectors, encoder.embed(&films).unwrap());
    assert_ne!(vectors, whole.embed(&films).unwrap());
}

#[test]
fn variables_have_the_names_of_the_variable_store() {
    for arch in Arch::ALL {
        let store = nn::VarStore::new(Device::Cpu);
        let network = ResNet::new(&store.root(), arch).unwrap();
        let mut ours = network.variables();
        ours.sort_by(|a, b| a.0.cmp(&b.0));
        let mut expected: Vec<_> = store.variables().into_iter().collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(&expected) {
            assert_eq!(ours.0, expected.0);
            assert_eq!(ours.1.data_ptr(), expected.1.data_ptr(), "{}", ours.0);
        }
    }
}

#[test]
fn an_encoder_shares_the_weights_of_its_network() {
    let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), Arch::ResNet18).unwrap();
    let (_, mut bias) = network.variables().swap_remove(2);
    let preprocess = Preprocess::new(Squaring::new(64, Fit::Pad), 64);
    let encoder = FilmEncoder::new(&network, preprocess, Value::Null).unwrap();
    let before = encoder.embed(&[film()]).unwrap();
    let _ = tch::no_grad(|| bias.fill_(1.0));
    assert_ne!(before, encoder.embed(&[film()]).unwrap());
}

#[test]
fn features_are_the_maps_of_the_four_stages_and_the_vectors() {
    let encoder = encoder(Arch::ResNet50, Value::Null);
    let films = [film(), Film::filled(9, 9, 3)];
    let features = encoder.features(&films).unwrap();
    assert_eq!(features.stem.size(), [2, 64, 32, 32]);
    let shapes = features.stages.each_ref().map(Tensor::size);
    let expected = [
        [2, 256, 16, 16],
        [2, 512, 8, 8],
        [2, 1024, 4, 4],
        [2, 2048, 2, 2],
    ];
    assert_eq!(shapes, expected);
    assert!(!features.pooled.requires_grad());
    let pooled = Vec::<Vec<f32>>::try_from(features.pooled).unwrap().concat();
    assert_eq!(
        encoder.embed(&films).unwrap().into_raw_vec_and_offset().0,
        pooled
    );
}

/// The cosine between the rows of float32 and bfloat16 is above 0.999, as the documentation of
/// `FilmEncoder::into_bf16` promises.
#[test]
fn bf16_is_near_float32() {
    for arch in [Arch::ResNet18, Arch::ResNet50] {
        let films = [film(), Film::filled(80, 80, 90)];
        let exact = encoder(arch, Value::Null).embed(&films).unwrap();
        let half = encoder(arch, Value::Null).into_bf16().unwrap();
        assert_eq!(half.network().kind(), Kind::BFloat16);
        let rounded = half.embed(&films).unwrap();
        assert_ne!(exact, rounded);
        for (a, b) in exact.rows().into_iter().zip(rounded.rows()) {
            let norm = |x: ndarray::ArrayView1<'_, f32>| x.dot(&x).sqrt();
            let cosine = a.dot(&b) / (norm(a) * norm(b));
            assert!(cosine > 0.999, "{}: {cosine}", arch.name());
            assert!((norm(b) / norm(a) - 1.0).abs() < 0.02, "{}", arch.name());
        }
        let features = half.features(&films).unwrap();
        assert_eq!(features.stages[0].kind(), Kind::Float);
    }
}

#[test]
fn no_films_give_no_vectors() {
    let vectors = encoder(Arch::ResNet18, Value::Null).embed(&[]).unwrap();
    assert_eq!(vectors.dim(), (0, 512));
}

#[test]
fn bare_and_damaged_weights_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bare.safetensors");
    let variable = ("conv1.weight".to_owned(), Tensor::from_slice(&[1.0f32]));
    write_safetensors(&path, [variable], &Default::default()).unwrap();
    let error = || FilmEncoder::open(&path, Device::Cpu).unwrap_err();
    assert!(matches!(error(), Error::Model(_)));
    assert!(error().to_string().contains("no `arch` in its metadata"));
    std::fs::write(&path, b"abc").unwrap();
    let message = error().to_string();
    assert!(
        message.contains("bare.safetensors: is not a complete safetensors file"),
        "{message}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error(), Error::Io(_)));
    assert!(error().to_string().contains("cannot read"));
}

#[test]
fn bad_films_have_an_error_of_their_own() {
    let encoder = encoder(Arch::ResNet18, Value::Null);
    let is_bad_film = |error: Error| matches!(error, Error::Film { .. });
    assert!(is_bad_film(encoder.decode(b"not a film").unwrap_err()));
    assert!(is_bad_film(encoder.decode(b"").unwrap_err()));
    let file = mflag_tests::golden("film/grey.png");
    let bytes = std::fs::read(&file).unwrap();
    assert!(is_bad_film(
        encoder.decode(&bytes[..bytes.len() / 2]).unwrap_err()
    ));
    let small = Limits {
        side: 4,
        ..Limits::default()
    };
    let preprocess = encoder.preprocess();
    assert!(is_bad_film(preprocess.decode(&bytes, &small).unwrap_err()));
    assert!(is_bad_film(preprocess.read(&file, &small).unwrap_err()));

    let absent = encoder.read("absent.png").unwrap_err();
    assert!(matches!(absent, Error::Io(_)), "{absent:?}");
    let wrong = Film {
        width: 3,
        height: 3,
        pixels: Vec::new(),
    };
    let wrong = encoder.embed(&[wrong]).unwrap_err();
    assert!(matches!(wrong, Error::Input(_)), "{wrong:?}");
}
