//! Checkpoints of other programs (`tests/oracle/layouts.py`). They have all names and shapes of a
//! real checkpoint. All values of a tensor are the same number, which follows from the tensor's
//! name.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::path::PathBuf;

use mflag_encoder::bert::{Activation, Bert, Config};
use mflag_encoder::{Arch, ResNet};
use mflag_weights::{Allow, load_into};
use rstest::rstest;
use tch::{Device, Tensor, nn};

fn layout(name: &str) -> PathBuf {
    mflag_tests::golden(&format!("layouts/{name}"))
}

/// The value of a tensor: the function `number` of `tests/oracle/layouts.py`.
fn value(name: &str) -> f64 {
    let sum: usize = name
        .bytes()
        .zip(1..)
        .map(|(byte, i)| i * usize::from(byte))
        .sum();
    (sum % 251) as f64 / 64.0
}

/// Checks that every variable has the value that follows from its name in the file.
fn assert_values(variables: &[(String, Tensor)], in_file: impl Fn(&str) -> String) {
    for (name, variable) in variables {
        let expected = value(&in_file(name));
        assert!(variable.eq(expected).all().int64_value(&[]) == 1, "{name}");
    }
}

fn resnet50() -> Vec<(String, Tensor)> {
    let store = nn::VarStore::new(Device::Cpu);
    ResNet::new(&store.root(), Arch::ResNet50).unwrap();
    store.variables().into_iter().collect()
}

#[rstest]
#[case::torchvision("torchvision_resnet50.pth", "")]
#[case::timm("timm_resnet50.pth", "")]
#[case::m_flag_encoder("mflag_encoder.pth", "")]
#[case::m_flag_total("mflag_total.pth", "encoder.")]
#[case::mgca("mgca_resnet50.ckpt", "img_encoder_q.model.")]
#[case::benchx_classifier("benchx_classifier.pth", "cnn.model.")]
#[case::convirt("convirt.pth", "visual.model.")]
#[case::gloria("gloria.ckpt", "gloria.img_encoder.model.")]
#[case::medclip("medclip_resnet50.bin", "vision_model.model.")]
fn encoders_of_other_programs_load(#[case] file: &str, #[case] prefix: &str) {
    let variables = resnet50();
    let report = load_into(layout(file), &variables, &Allow::heads()).unwrap();
    assert_eq!((report.loaded, report.prefix.as_str()), (265, prefix));
    assert!(report.missing.is_empty() && report.mismatched.is_empty());
    assert_values(&variables, |name| format!("{prefix}{name}"));
}

#[test]
fn numbered_children_of_a_sequential_load() {
    let variables = resnet50();
    let file = layout("numbered_resnet50.pth");
    let report = load_into(&file, &variables, &Allow::heads()).unwrap();
    assert_eq!(
        (report.loaded, report.prefix.as_str()),
        (265, "module.backbone.")
    );
    assert_values(&variables, |name| {
        let (child, rest) = name.split_once('.').unwrap();
        let number = match child {
            "conv1" => 0,
            "bn1" => 1,
            layer => 3 + layer.strip_prefix("layer").unwrap().parse::<u32>().unwrap(),
        };
        format!("module.backbone.{number}.{rest}")
    });
}

#[rstest]
#[case("timm_resnet50d.pth", "ResNet-50 with a stem of three convolutions")]
#[case("timm_resnext50.pth", "ResNet-50 with grouped convolutions (ResNeXt)")]
#[case("torchvision_wide_resnet50_2.pth", "ResNet-50 of double width")]
#[case(
    "medklip.pth",
    "50 of the model's 265 variables are missing in the file: `layer4."
)]
#[case("bert_plain.bin", "The file looks like BERT with 2 layers")]
fn other_networks_are_refused_with_a_reason(#[case] file: &str, #[case] reason: &str) {
    let variables = resnet50();
    let before: Vec<Tensor> = variables.iter().map(|(_, v)| v.detach().copy()).collect();
    let error = load_into(layout(file), &variables, &Allow::heads()).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert!(
        variables
            .iter()
            .zip(&before)
            .all(|((_, now), then)| now == then)
    );
}

#[rstest]
#[case::plain("bert_plain.bin", "")]
#[case::masked("bert_masked.bin", "bert.")]
#[case::pretraining("bert_pretraining.bin", "bert.")]
#[case::convirt("convirt.pth", "linguistic.encoder.")]
fn bert_checkpoints_of_transformers_load(#[case] file: &str, #[case] prefix: &str) {
    let config = Config {
        hidden_size: 768,
        num_hidden_layers: 2,
        num_attention_heads: 12,
        intermediate_size: 3072,
        hidden_act: Activation::Gelu,
        vocab_size: 30522,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        initializer_range: 0.02,
    };
    let store = nn::VarStore::new(Device::Cpu);
    Bert::new(store.root(), &config).unwrap();
    let variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    let report = load_into(layout(file), &variables, &Allow::heads()).unwrap();
    assert_eq!(
        (report.loaded, report.prefix.as_str()),
        (variables.len(), prefix)
    );
    assert_values(&variables, |name| format!("{prefix}{name}"));
}
