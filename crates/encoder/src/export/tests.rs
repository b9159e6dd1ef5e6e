//! libtorch runs encoders in TorchScript and ONNX; the vectors equal those of the network itself
//! within 1e-4; values are of the order of 1. The ONNX operators are compared with ONNX Runtime
//! first (`tests/oracle/operators.py`). `tests/oracle/export.py` runs the files in PyTorch and ONNX
//! Runtime on real films.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use mflag_film::{Film, Fit, Squaring};
use mflag_tests::{assert_close, formula};
use prost::Message;
use rstest::rstest;
use serde_json::json;
use tch::{CModule, Device, Kind, Tensor, nn};

use super::proto::{self, Extent, Model};
use super::{BatchNorms, write_onnx, write_torchscript};
use crate::film_encoder::FilmEncoder;
use crate::preprocess::Preprocess;
use crate::resnet::{Arch, ResNet};

const TOLERANCE: f64 = 1e-4;
const SIDE: usize = 64;

/// An encoder with the weights and statistics of `mflag_tests::formula`.
fn encoder(arch: Arch) -> FilmEncoder {
    let store = nn::VarStore::new(Device::Cpu);
    let network = ResNet::new(&store.root(), arch).unwrap();
    tch::no_grad(|| {
        for (name, mut variable) in network.variables() {
            let shape = variable.size();
            let values = Tensor::from_slice(&formula::weights(&name, &shape));
            variable.copy_(&values.view(&shape[..]));
        }
    });
    let preprocess = Preprocess {
        mean: 0.3,
        std: 0.2,
        ..Preprocess::new(Squaring::new(SIDE as u32, Fit::Pad), SIDE as u32)
    };
    FilmEncoder::new(&network, preprocess, json!({"epoch": 3})).unwrap()
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

/// The grey values of films, the input of exported encoders.
fn input(films: &[Film]) -> Tensor {
    let greys: Vec<u8> = films.iter().flat_map(|film| film.pixels.clone()).collect();
    let side = SIDE as i64;
    Tensor::from_slice(&greys)
        .to_kind(Kind::Float)
        .view([films.len() as i64, 1, side, side])
}

/// The vectors that the encoder itself gives for films.
fn embedded(encoder: &FilmEncoder, films: &[Film]) -> Vec<f64> {
    let vectors = encoder.embed(films).unwrap();
    vectors.into_iter().map(f64::from).collect()
}

#[rstest]
fn torchscript_gives_the_same_vectors(#[values(Arch::ResNet18, Arch::ResNet50)] arch: Arch) {
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(arch));
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
fn torchscript_has_the_metadata_and_does_not_depend_on_its_path() {
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(Arch::ResNet18));
    let files = ["one.pt", "two.pt"].map(|name| folder.path().join(name));
    files
        .iter()
        .for_each(|file| write_torchscript(file, &encoder).unwrap());
    let [one, two] = files.map(|file| std::fs::read(file).unwrap());
    assert!(one == two, "the same encoder gave other bytes");

    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(one)).unwrap();
    for (name, expected) in encoder.metadata().unwrap() {
        let entry = archive.by_name(&format!("encoder/extra/{name}")).unwrap();
        assert_eq!(std::io::read_to_string(entry).unwrap(), expected);
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "temporary files were left");
}

fn onnx(folder: &Path, encoder: &FilmEncoder, norms: BatchNorms) -> PathBuf {
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

/// Runs the ONNX operators on `films` with libtorch.
fn evaluate(model: &Model, films: &Tensor) -> Vec<f64> {
    let graph = model.graph.as_ref().unwrap();
    let constants = graph
        .initializer
        .iter()
        .map(|t| (t.name.as_str(), values_of(t)));
    let mut known: HashMap<&str, Tensor> = constants.collect();
    known.insert(&graph.input[0].name, films.shallow_clone());
    for node in &graph.node {
        let inputs: Vec<&Tensor> = node.input.iter().map(|name| &known[&name[..]]).collect();
        let output = evaluate_node(node, &inputs);
        known.insert(&node.output[0], output);
    }
    let output = &known[graph.output[0].name.as_str()];
    Vec::<f64>::try_from(output.flatten(0, -1).to_kind(Kind::Double)).unwrap()
}

fn evaluate_node(node: &proto::Node, x: &[&Tensor]) -> Tensor {
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
    match node.op_type.as_str() {
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
            let [gain, offset, mean, variance] = [1, 2, 3, 4].map(|i| Some(x[i]));
            x[0].batch_norm(gain, offset, mean, variance, false, 0.0, epsilon, false)
        }
        "Relu" => x[0].relu(),
        "MaxPool" => x[0].max_pool2d(ints("kernel_shape"), ints("strides"), pads(), [1, 1], false),
        "GlobalAveragePool" => x[0].mean_dim([2i64, 3].as_slice(), true, Kind::Float),
        "Flatten" => x[0].flatten(1, -1),
        other => panic!("unknown operator {other}"),
    }
}

#[test]
fn operators_give_the_results_of_onnx_runtime() {
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
    #[values(BatchNorms::Separate, BatchNorms::Folded)] norms: BatchNorms,
) {
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(arch));
    let model = decoded(&onnx(folder.path(), &encoder, norms));
    let films = films(2);
    let found = evaluate(&model, &input(&films));
    let what = format!("{} {norms:?}", arch.name());
    assert_close(&found, &embedded(&encoder, &films), TOLERANCE, &what);
}

/// The lengths of a tensor's dimensions, or their names.
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
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(Arch::ResNet50));
    let separate = decoded(&onnx(folder.path(), &encoder, BatchNorms::Separate));
    let folded = decoded(&onnx(folder.path(), &encoder, BatchNorms::Folded));
    // 53 convolutions. 16 blocks, each with a sum and three ReLUs; one more ReLU in the stem and
    // one more sum in the normalisation.
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
    assert_eq!(operators(&separate), with_norms);
    for model in [&separate, &folded] {
        assert_is_valid(model);
        let metadata = model
            .metadata_props
            .iter()
            .map(|e| (e.key.clone(), e.value.clone()));
        assert_eq!(
            metadata.collect::<BTreeMap<_, _>>(),
            encoder.metadata().unwrap()
        );
        let graph = model.graph.as_ref().unwrap();
        assert_eq!(extents(&graph.input[0]), ["N", "1", "64", "64"]);
        assert_eq!(extents(&graph.output[0]), ["N", "2048"]);
    }
}

/// Checks the versions, and that every node reads only constants and the outputs of earlier nodes.
fn assert_is_valid(model: &Model) {
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    let graph = model.graph.as_ref().unwrap();
    let mut known: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        known.len(),
        graph.initializer.len(),
        "two initialisers have one name"
    );
    known.insert("films");
    for node in &graph.node {
        let reads_known = node.input.iter().all(|input| known.contains(&input[..]));
        assert!(reads_known, "{}", node.name);
        let writes_new = node.output.iter().all(|output| known.insert(output));
        assert!(writes_new, "{}", node.name);
    }
    assert!(known.contains("features"));
}

/// The first convolution is summed over its input channels.
#[test]
fn initialisers_have_the_names_and_values_of_torchvision() {
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(Arch::ResNet50));
    let model = decoded(&onnx(folder.path(), &encoder, BatchNorms::Separate));
    let initialisers = &model.graph.as_ref().unwrap().initializer;
    assert_eq!(initialisers.len(), 53 * 5 + 2);
    for (name, value) in encoder.network().variables() {
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
fn a_missing_folder_is_named_in_the_error() {
    let (folder, encoder) = (tempfile::tempdir().unwrap(), encoder(Arch::ResNet18));
    let file = folder.path().join("nowhere/encoder");
    let errors = [
        write_onnx(&file, &encoder, BatchNorms::Separate).unwrap_err(),
        write_torchscript(&file, &encoder).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("nowhere/encoder"), "{error}");
    }
}
