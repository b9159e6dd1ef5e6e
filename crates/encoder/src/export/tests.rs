//! Encoders as TorchScript and ONNX, run by libtorch, against the network itself; tolerance 1e-4 of values of the order of 1. The ONNX
//! operators are held against ONNX Runtime first (`tests/oracle/operators.py`); `tests/oracle/export.py` runs the files with PyTorch and
//! ONNX Runtime on real films.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use mflag_film::{Film, Fit, Squaring};
use mflag_tests::{assert_close, formula};
use prost::Message;
use rstest::rstest;
use serde_json::json;
use tch::{CModule, Device, Kind, Tensor, nn};
use tempfile::TempDir;

use super::proto::{self, Extent, Model};
use super::{Norms, write_onnx, write_torchscript};
use crate::film::{FilmEncoder, write_encoder};
use crate::preprocess::Preprocess;
use crate::resnet::{Arch, ResNet};

const TOLERANCE: f64 = 1e-4;
const SIDE: usize = 64;

/// An encoder whose weights come from the formula, statistics too, in a folder of its own.
fn encoder(arch: Arch) -> (TempDir, FilmEncoder) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("encoder.safetensors");
    let store = nn::VarStore::new(Device::Cpu);
    ResNet::new(&store.root(), arch).unwrap();
    let filled = store.variables().into_iter().map(|(name, variable)| {
        let shape = variable.size();
        let values = Tensor::from_slice(&formula::weights(&name, &shape));
        (name, values.view(&shape[..]).to_kind(Kind::Float))
    });
    let preprocess = Preprocess {
        mean: 0.3,
        std: 0.2,
        ..Preprocess::new(Squaring::new(SIDE as u32, Fit::Pad), SIDE as u32)
    };
    write_encoder(&file, arch, preprocess, &json!({"epoch": 3}), filled).unwrap();
    let encoder = FilmEncoder::open(&file, Device::Cpu).unwrap();
    (folder, encoder)
}

/// Films of noise.
fn films(count: usize) -> Vec<Film> {
    let pixels = |n: usize| {
        let values = formula::values(&format!("film {n}"), SIDE * SIDE);
        values
            .iter()
            .map(|v| (v * 1e6).rem_euclid(256.0) as u8)
            .collect()
    };
    let film = |n| Film {
        width: SIDE as u32,
        height: SIDE as u32,
        pixels: pixels(n),
    };
    (0..count).map(film).collect()
}

/// Grey values of films, as exported encoders take them.
fn input(films: &[Film]) -> Tensor {
    let greys: Vec<u8> = films.iter().flat_map(|film| film.pixels.clone()).collect();
    let side = SIDE as i64;
    Tensor::from_slice(&greys)
        .to_kind(Kind::Float)
        .view([films.len() as i64, 1, side, side])
}

/// What the encoder itself makes of films.
fn embedded(encoder: &FilmEncoder, films: &[Film]) -> Vec<f64> {
    let vectors = encoder.embed(films).unwrap();
    vectors.concat().into_iter().map(f64::from).collect()
}

#[rstest]
fn torchscript_gives_the_same_vectors(#[values(Arch::ResNet18, Arch::ResNet50)] arch: Arch) {
    let (folder, encoder) = encoder(arch);
    let file = folder.path().join("any name.pt");
    write_torchscript(&file, &encoder).unwrap();
    let module = CModule::load(&file).unwrap();
    for count in [1, 3] {
        let films = films(count as usize);
        let greys = input(&films);
        let found = module.forward_ts(&[&greys]).unwrap();
        assert!(greys == input(&films), "the module wrote into its input");
        assert_eq!(found.size(), [count, arch.width()]);
        let found = Vec::<f64>::try_from(found.flatten(0, -1).to_kind(Kind::Double)).unwrap();
        assert_close(&found, &embedded(&encoder, &films), TOLERANCE, arch.name());
    }
}

#[test]
fn torchscript_carries_the_preprocessing_and_nothing_of_its_place() {
    let (folder, encoder) = encoder(Arch::ResNet18);
    let files = ["one.pt", "two.pt"].map(|name| folder.path().join(name));
    files
        .iter()
        .for_each(|file| write_torchscript(file, &encoder).unwrap());
    let [one, two] = files.map(|file| std::fs::read(file).unwrap());
    assert!(one == two, "the same encoder gives other bytes");

    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(one)).unwrap();
    for (name, expected) in encoder.metadata().unwrap() {
        let entry = archive.by_name(&format!("encoder/extra/{name}")).unwrap();
        assert_eq!(std::io::read_to_string(entry).unwrap(), expected);
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 3, "temporary files stayed");
}

fn onnx(folder: &Path, encoder: &FilmEncoder, norms: Norms) -> PathBuf {
    let file = folder.join(format!("{norms:?}.onnx"));
    write_onnx(&file, encoder, norms).unwrap();
    file
}

fn decoded(file: &Path) -> Model {
    Model::decode(&std::fs::read(file).unwrap()[..]).unwrap()
}

fn values_of(tensor: &proto::Tensor) -> Tensor {
    assert_eq!(tensor.data_type, proto::FLOAT, "{}", tensor.name);
    let floats = tensor.raw_data.chunks_exact(4);
    let floats: Vec<f32> = floats
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    Tensor::from_slice(&floats).view(&tensor.dims[..])
}

/// What ONNX's operators make of `films`, by libtorch.
fn evaluate(model: &Model, films: &Tensor) -> Vec<f64> {
    let graph = model.graph.as_ref().unwrap();
    let constants = graph
        .initializer
        .iter()
        .map(|t| (t.name.as_str(), values_of(t)));
    let mut known: HashMap<&str, Tensor> = constants.collect();
    known.insert(&graph.input[0].name, films.shallow_clone());
    for node in &graph.node {
        let ints = |name: &str| -> Vec<i64> {
            let attribute = node.attribute.iter().find(|a| a.name == name).unwrap();
            assert_eq!(attribute.kind, 7);
            attribute.ints.clone()
        };
        let pads = || {
            let pads = ints("pads");
            assert_eq!(pads[..2], pads[2..], "{}", node.name);
            pads[..2].to_vec()
        };
        let x: Vec<&Tensor> = node
            .input
            .iter()
            .map(|name| &known[name.as_str()])
            .collect();
        let y = match node.op_type.as_str() {
            "Mul" => x[0] * x[1],
            "Add" => x[0] + x[1],
            "Conv" => {
                assert_eq!(x[1].size()[2..], ints("kernel_shape"), "{}", node.name);
                x[0].conv2d(x[1], x.get(2).copied(), ints("strides"), pads(), [1, 1], 1)
            }
            "BatchNormalization" => {
                let epsilon = &node.attribute[0];
                assert_eq!((epsilon.name.as_str(), epsilon.kind), ("epsilon", 1));
                let epsilon = f64::from(epsilon.f.unwrap());
                let (gain, offset, mean, variance) = (x[1], x[2], x[3], x[4]);
                x[0].batch_norm(
                    Some(gain),
                    Some(offset),
                    Some(mean),
                    Some(variance),
                    false,
                    0.0,
                    epsilon,
                    false,
                )
            }
            "Relu" => x[0].relu(),
            "MaxPool" => {
                x[0].max_pool2d(ints("kernel_shape"), ints("strides"), pads(), [1, 1], false)
            }
            "GlobalAveragePool" => x[0].mean_dim([2i64, 3].as_slice(), true, Kind::Float),
            "Flatten" => x[0].flatten(1, -1),
            other => panic!("{other} is not known"),
        };
        known.insert(&node.output[0], y);
    }
    let output = &known[graph.output[0].name.as_str()];
    Vec::<f64>::try_from(output.flatten(0, -1).to_kind(Kind::Double)).unwrap()
}

#[test]
fn onnx_and_its_operators_mean_what_onnx_runtime_finds() {
    let model = decoded(&mflag_tests::golden("operators/operators.onnx"));
    let golden = mflag_tests::golden_json("operators/operators.json");
    let [films, features] = ["films", "features"].map(|name| mflag_tests::numbers(&golden[name]));
    let films = Tensor::from_slice(&films)
        .to_kind(Kind::Float)
        .view([2, 1, 9, 12]);
    assert_close(&evaluate(&model, &films), &features, 1e-5, "features");

    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    assert_eq!(model.producer_name, "onnx");
    let entry = &model.metadata_props[0];
    assert_eq!((entry.key.as_str(), entry.value.as_str()), ("key", "value"));
    let graph = model.graph.as_ref().unwrap();
    assert_eq!(extents(&graph.input[0]), ["N", "1", "9", "12"]);
    assert_eq!(extents(&graph.output[0]), ["N", "4"]);
}

#[rstest]
fn onnx_gives_the_same_vectors(
    #[values(Arch::ResNet18, Arch::ResNet50)] arch: Arch,
    #[values(Norms::Kept, Norms::Folded)] norms: Norms,
) {
    let (folder, encoder) = encoder(arch);
    let model = decoded(&onnx(folder.path(), &encoder, norms));
    let films = films(2);
    let found = evaluate(&model, &input(&films));
    let what = format!("{} {norms:?}", arch.name());
    assert_close(&found, &embedded(&encoder, &films), TOLERANCE, &what);
}

/// Lengths of a tensor's dimensions, or their names.
fn extents(value: &proto::Value) -> Vec<String> {
    let shape = value
        .kind
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref()?.shape.as_ref())
        .unwrap();
    let extent = |dimension: &proto::Dimension| match &dimension.extent {
        Some(Extent::Fixed(n)) => n.to_string(),
        Some(Extent::Named(name)) => name.clone(),
        None => "?".to_owned(),
    };
    shape.dim.iter().map(extent).collect()
}

fn operators(model: &Model) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for node in &model.graph.as_ref().unwrap().node {
        *counts.entry(node.op_type.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn onnx_has_the_layers_of_a_resnet() {
    let (folder, encoder) = encoder(Arch::ResNet50);
    let kept = decoded(&onnx(folder.path(), &encoder, Norms::Kept));
    let folded = decoded(&onnx(folder.path(), &encoder, Norms::Folded));
    // 53 convolutions; 16 blocks, each with a sum and three ReLUs, beside the stem's ReLU and the normalisation's sum.
    let common = [
        ("Add", 17),
        ("Conv", 53),
        ("Flatten", 1),
        ("GlobalAveragePool", 1),
        ("MaxPool", 1),
        ("Mul", 1),
        ("Relu", 49),
    ];
    assert_eq!(operators(&folded), BTreeMap::from(common));
    let mut with_norms = BTreeMap::from(common);
    with_norms.insert("BatchNormalization", 53);
    assert_eq!(operators(&kept), with_norms);

    for model in [&kept, &folded] {
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
        let metadata = model
            .metadata_props
            .iter()
            .map(|e| (e.key.clone(), e.value.clone()));
        assert_eq!(
            metadata.collect::<BTreeMap<_, _>>(),
            encoder.metadata().unwrap()
        );
        let graph = model.graph.as_ref().unwrap();
        // Every node reads what is there before it.
        let mut known: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(
            known.len(),
            graph.initializer.len(),
            "two initialisers have one name"
        );
        known.insert("films");
        for node in &graph.node {
            assert!(
                node.input
                    .iter()
                    .all(|input| known.contains(input.as_str())),
                "{}",
                node.name
            );
            assert!(
                node.output.iter().all(|output| known.insert(output)),
                "{}",
                node.name
            );
        }
        assert!(known.contains("features"));
        assert_eq!(extents(&graph.input[0]), ["N", "1", "64", "64"]);
        assert_eq!(extents(&graph.output[0]), ["N", "2048"]);
    }
    // Torchvision's names and values; of the first convolution, the sum over its input.
    let initialisers = &kept.graph.as_ref().unwrap().initializer;
    assert_eq!(initialisers.len(), 53 * 5 + 2);
    let of_file = crate::weights::read(&folder.path().join("encoder.safetensors")).unwrap();
    for (name, value) in of_file {
        let value = match name.as_str() {
            "conv1.weight" => value.sum_dim_intlist(1, true, Kind::Float),
            _ => value,
        };
        let written = initialisers.iter().find(|t| t.name == name).unwrap();
        assert_eq!(written.dims, value.size(), "{name}");
        assert!(values_of(written) == value, "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (folder, encoder) = encoder(Arch::ResNet18);
    let file = folder.path().join("nowhere/encoder");
    let errors = [
        write_onnx(&file, &encoder, Norms::Kept).unwrap_err(),
        write_torchscript(&file, &encoder).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("nowhere/encoder"), "{error}");
    }
}
