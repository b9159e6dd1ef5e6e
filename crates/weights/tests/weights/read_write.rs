//! Reading and writing undamaged files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mflag_weights::{Tensors, read, write_safetensors};
use rstest::rstest;
use tch::{Device, Kind, Tensor};

use crate::{assert_not_executed, golden, values};

fn kind(name: &str) -> Kind {
    match name {
        "float64" => Kind::Double,
        "float32" => Kind::Float,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        "int32" => Kind::Int,
        "int16" => Kind::Int16,
        "int8" => Kind::Int8,
        "uint8" => Kind::Uint8,
        "bool" => Kind::Bool,
        other => panic!("{other}"),
    }
}

fn assert_as_expected(tensors: &Tensors, name: &str) {
    #[derive(serde::Deserialize)]
    struct Expected {
        kind: String,
        shape: Vec<i64>,
        values: Vec<f64>,
    }
    let text = fs::read_to_string(golden("expected.json")).unwrap();
    let mut all: BTreeMap<String, BTreeMap<String, Expected>> =
        serde_json::from_str(&text).unwrap();
    let expected = all.remove(name).unwrap();
    assert!(tensors.keys().eq(expected.keys()), "{:?}", tensors.keys());
    for (name, want) in expected {
        let tensor = &tensors[&name];
        assert_eq!(tensor.kind(), kind(&want.kind), "{name}");
        assert_eq!(tensor.size(), want.shape, "{name}");
        assert_eq!(values(tensor), want.values, "{name}");
    }
}

#[rstest]
fn reads_pytorch_files(
    #[values(
        "kinds",
        "kinds_protocol4",
        "shapes",
        "module",
        "checkpoint",
        "parameters",
        "bert",
        "nested",
        "evil_value"
    )]
    name: &str,
    #[values("zip", "legacy")] form: &str,
) {
    let tensors = read(golden(&format!("{name}_{form}.pt"))).unwrap();
    assert_as_expected(&tensors, name);
    assert_not_executed();
}

#[test]
fn reads_safetensors() {
    assert_as_expected(&read(golden("kinds.safetensors")).unwrap(), "kinds");
}

#[rstest]
fn tied_weights_share_memory(#[values("zip", "legacy")] form: &str) {
    let tensors = read(golden(&format!("shapes_{form}.pt"))).unwrap();
    assert_eq!(tensors["tied_a"].data_ptr(), tensors["tied_b"].data_ptr());
}

#[test]
fn real_bert_weights_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.models/all-minilm-l6-v2/model.safetensors");
    assert!(
        path.exists(),
        "{} is missing: run ./just setup",
        path.display()
    );
    let tensors = read(&path).unwrap();
    let words = &tensors["embeddings.word_embeddings.weight"];
    assert_eq!(
        (words.size(), words.kind()),
        (vec![30522, 384], Kind::Float)
    );
}

#[test]
fn written_files_are_reproducible_and_read_back_equal() {
    let dir = tempfile::tempdir().unwrap();
    let metadata: BTreeMap<_, _> = (0..20)
        .map(|i| (format!("key{i}"), "ü".to_owned()))
        .collect();
    for name in ["kinds", "shapes"] {
        let [a, b] = ["a", "b"].map(|file| dir.path().join(file));
        for path in [&a, &b] {
            let tensors = read(golden(&format!("{name}_zip.pt"))).unwrap();
            write_safetensors(path, tensors, &metadata).unwrap();
        }
        assert_as_expected(&read(&a).unwrap(), name);
        let bytes = fs::read(&a).unwrap();
        assert_eq!(bytes, fs::read(&b).unwrap());
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let read = header.metadata().clone().unwrap();
        let mut read = BTreeMap::from_iter(read);
        assert_eq!(read.remove("blake3").unwrap().len(), 64);
        assert_eq!(read, metadata);
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    fs::write(&path, "old").unwrap();
    let none = BTreeMap::new();
    let twice = ["a", "a"].map(|name| (name.to_owned(), Tensor::from(1.0)));
    let error = write_safetensors(&path, twice, &none).unwrap_err();
    assert!(error.to_string().contains("two tensors have the name `a`"));
    let complex = Tensor::zeros([1], (Kind::ComplexFloat, Device::Cpu));
    assert!(write_safetensors(&path, [("a".to_owned(), complex)], &none).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let nowhere = dir.path().join("absent/w.safetensors");
    let error = write_safetensors(&nowhere, [], &none).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
}
