//! Loading weights into models.

use std::collections::BTreeMap;

use mflag_weights::{Allow, Error, check_size, load_into, read, write_safetensors};
use rstest::rstest;
use tch::{Device, Kind, Tensor};

use crate::{golden, values};

fn variables(shapes: &[(&str, &[i64])], kind: Kind) -> Vec<(String, Tensor)> {
    let zeros = |size: &[i64]| Tensor::zeros(size, (kind, Device::Cpu)).set_requires_grad(true);
    shapes
        .iter()
        .map(|(name, size)| ((*name).to_owned(), zeros(size)))
        .collect()
}

const TINY: &[(&str, &[i64])] = &[
    ("conv1.weight", &[2, 1, 3, 3]),
    ("bn1.weight", &[2]),
    ("bn1.bias", &[2]),
    ("bn1.running_mean", &[2]),
    ("bn1.running_var", &[2]),
];

#[rstest]
fn loads_through_a_prefix_and_converts(
    #[values("module_zip.pt", "module_legacy.pt", "checkpoint_zip.pt")] file: &str,
    #[values(Kind::Float, Kind::Double, Kind::BFloat16)] kind: Kind,
) {
    let model = variables(TINY, kind);
    let report = load_into(golden(file), &model, &Allow::heads()).unwrap();
    assert_eq!(report.prefix, "module.");
    assert_eq!((report.loaded, report.unused.len()), (5, 3));
    assert_eq!(
        report.to_string(),
        "5 variables loaded, `module.` stripped; 3 unused: module.bn1.num_batches_tracked, …"
    );
    let source = &read(golden(file)).unwrap()["module.conv1.weight"];
    assert_eq!(values(&model[0].1), values(&source.to_kind(kind)));
    assert!(model[0].1.requires_grad() && model[0].1.is_leaf());
}

#[test]
fn a_difference_that_is_not_allowed_is_an_error_and_changes_nothing() {
    let path = golden("module_zip.pt");
    let model = variables(TINY, Kind::Float);
    let error = load_into(&path, &model, &Allow::nothing()).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }));
    let message = error.to_string();
    assert!(
        message.contains("3 of the file's tensors are not in the model"),
        "{message}"
    );

    let mut shapes = TINY.to_vec();
    shapes[0].1 = &[2, 3, 3, 3];
    shapes.push(("conv2.weight", &[7]));
    let model = variables(&shapes, Kind::Float);
    let error = load_into(&path, &model, &Allow::heads()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(
            "1 of the model's 6 variables have another shape in the file: \
             `conv1.weight` [2, 3, 3, 3] (in the file [2, 1, 3, 3]); \
             1 of the model's 6 variables are missing in the file: `conv2.weight` [7]"
        ),
        "{message}"
    );
    let all_zero = |tensor: &Tensor| values(tensor).iter().all(|&x| x == 0.0);
    assert!(model.iter().all(|(_, variable)| all_zero(variable)));

    let allow = Allow::heads().missing("conv*");
    let report = load_into(&path, &model, &allow).unwrap();
    assert_eq!(report.mismatched, ["conv1.weight"]);
    assert_eq!(report.missing, ["conv2.weight"]);
    assert_eq!(report.loaded, 4);
}

#[test]
fn old_bert_names_are_recognised() {
    let shapes: &[(&str, &[i64])] = &[
        ("embeddings.LayerNorm.weight", &[4]),
        ("embeddings.LayerNorm.bias", &[4]),
        ("encoder.layer.0.output.dense.weight", &[4, 4]),
    ];
    let model = variables(shapes, Kind::Float);
    let report = load_into(golden("bert_legacy.pt"), &model, &Allow::heads()).unwrap();
    assert_eq!((report.loaded, report.prefix.as_str()), (3, "bert."));
    assert_eq!(report.unused, ["cls.predictions.bias"]);
    assert_eq!(values(&model[1].1), [0.0, 0.25, 0.5, 0.75]);
}

fn file_of(names: &[(String, Vec<i64>)]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tensors = names
        .iter()
        .map(|(name, size)| (name.clone(), Tensor::ones(size, (Kind::Float, Device::Cpu))));
    write_safetensors(file.path(), tensors, &BTreeMap::new()).unwrap();
    file
}

fn resnet(blocks: [usize; 4], kernels: &[i64]) -> Vec<(String, Vec<i64>)> {
    let mut names = vec![("conv1.weight".to_owned(), vec![4, 3, 7, 7])];
    for (layer, blocks) in (1..).zip(blocks) {
        for block in 0..blocks {
            for (conv, kernel) in (1..).zip(kernels) {
                let name = format!("layer{layer}.{block}.conv{conv}.weight");
                names.push((name, vec![4, 4, *kernel, *kernel]));
            }
        }
    }
    names
}

#[test]
fn another_depth_is_recognised() {
    let file = file_of(&resnet([2, 2, 2, 2], &[3, 3]));
    let model: Vec<_> = resnet([3, 4, 6, 3], &[1, 3, 1])
        .into_iter()
        .map(|(name, size)| (name, Tensor::zeros(size, (Kind::Float, Device::Cpu))))
        .collect();
    let error = load_into(file.path(), &model, &Allow::heads()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("The file looks like ResNet-18, the model is ResNet-50"),
        "{message}"
    );
    assert!(
        message.contains("8 of the model's 49 variables have another shape"),
        "{message}"
    );
    assert_eq!(message.matches("(in the file").count(), 5, "{message}");
}

#[rstest]
#[case::one_tower(&["img_encoder.model.", "text_encoder."], Ok("img_encoder.model."))]
#[case::nested(&["module.encoder."], Ok("module.encoder."))]
#[case::unknown_prefix(&["my.own."], Ok("my.own."))]
#[case::plain_first(&["", "copy."], Ok(""))]
#[case::momentum(&["module.encoder_k.", "module.encoder_q."], Ok("module.encoder_q."))]
#[case::two_towers(&["left.", "right."], Err("the part `left.` and the part `right.` of the file fit"))]
fn the_prefix_is_found(#[case] prefixes: &[&str], #[case] expected: Result<&str, &str>) {
    let mut names = Vec::new();
    for prefix in prefixes {
        let text = *prefix == "text_encoder.";
        for (name, size) in if text { &TINY[1..3] } else { TINY } {
            names.push((format!("{prefix}{name}"), size.to_vec()));
        }
    }
    let file = file_of(&names);
    let model = variables(TINY, Kind::Float);
    let outcome = load_into(file.path(), &model, &Allow::heads().unused("copy.*"));
    match (outcome, expected) {
        (Ok(report), Ok(prefix)) => {
            assert_eq!(report.prefix, prefix);
            assert_eq!(report.loaded, TINY.len());
        }
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (outcome, _) => panic!("{outcome:?}"),
    }
}

#[rstest]
#[case(f64::NAN, "1 of the 9 values of the tensor `model.b`")]
#[case(f64::INFINITY, "1 of the 9 values")]
// The value is finite in the file, and infinite in the model's kind.
#[case(1e300, "1 of the 9 values")]
fn values_that_are_not_finite_are_refused_with_their_tensor(
    #[case] value: f64,
    #[case] reason: &str,
) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tensor = |value: f64| Tensor::from_slice(&[&[0.5; 8][..], &[value]].concat());
    let tensors =
        [("a", 1.0), ("b", value)].map(|(name, value)| (format!("model.{name}"), tensor(value)));
    write_safetensors(file.path(), tensors, &BTreeMap::new()).unwrap();
    let model = variables(&[("a", &[9]), ("b", &[9])], Kind::Float);
    let error = load_into(file.path(), &model, &Allow::nothing()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(file.path().to_str().unwrap()) && message.contains(reason),
        "{message}"
    );
    assert_eq!(values(&model[0].1), vec![0.0; 9], "nothing was copied");
    // A tensor that the model does not use may have any values.
    let model = variables(&[("a", &[9])], Kind::Float);
    load_into(file.path(), &model, &Allow::nothing().unused("b")).unwrap();
}

#[test]
fn a_file_is_compared_with_a_models_size() {
    let file = golden("module_zip.pt");
    let bytes = std::fs::metadata(&file).unwrap().len();
    check_size(&file, bytes, "toy").unwrap();
    let message = check_size(&file, bytes + 1, "toy").unwrap_err().to_string();
    let expected = format!(
        "has {bytes} bytes, too few for the {} parameters of toy",
        bytes + 1
    );
    assert!(message.contains(&expected), "{message}");
}
