//! Folders and inputs that are refused, and the messages of the errors.

use std::fs;
use std::path::Path;

use mflag_encoder::text::{Pooling, TextEncoder};
use rstest::rstest;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use crate::{change, json_file, tiny, tiny_bert, tiny_json};

/// The message of the error when the folder is opened.
fn refusal(folder: &Path) -> String {
    TextEncoder::open(folder, Pooling::Cls, 16, Device::Cpu)
        .unwrap_err()
        .to_string()
}

#[rstest]
#[case::missing("hidden_size", None, "hidden_size is missing")]
#[case::other("model_type", Some(json!("roberta")), "model_type is \"roberta\", but must be \"bert\"")]
#[case::order("model_type", Some(json!("megatron-bert")), "but must be \"bert\"")]
#[case::zero("num_hidden_layers", Some(json!(0)), "num_hidden_layers is 0, but must be an integer")]
#[case::text("vocab_size", Some(json!("many")), "vocab_size is \"many\"")]
#[case::huge("intermediate_size", Some(json!(1u64 << 60)), "intermediate_size is 115292150")]
#[case::activation("hidden_act", Some(json!("swish")), "\"gelu\" or \"gelu_new\" or \"relu\"")]
#[case::positions("position_embedding_type", Some(json!("relative_key")), "must be \"absolute\"")]
#[case::decoder("is_decoder", Some(json!(true)), "is_decoder is true")]
#[case::eps("layer_norm_eps", Some(json!(-1.0)), "layer_norm_eps is -1.0")]
#[case::heads("num_attention_heads", Some(json!(5)), "must be a divisor of hidden_size, 32")]
#[case::vocabulary("vocab_size", Some(json!(59)), "token identifier 59, but vocab_size")]
fn a_wrong_value_in_the_config_is_named(
    #[case] key: &str,
    #[case] value: Option<Value>,
    #[case] expected: &str,
) {
    let folder = tiny_json();
    change(folder.path(), "config.json", key, value);
    let message = refusal(folder.path());
    assert!(
        message.contains(expected) && message.contains("config.json"),
        "{message}"
    );
}

#[test]
fn missing_files_are_named() {
    let nowhere = TempDir::new().unwrap().path().join("nowhere");
    assert!(
        refusal(&nowhere).contains("nowhere: is not a folder"),
        "{}",
        refusal(&nowhere)
    );
    for (files, expected) in [
        (&["model.safetensors"][..], "cannot read"),
        (
            &["config.json", "vocab.txt"],
            "neither model.safetensors nor pytorch_model.bin",
        ),
        (
            &["config.json", "model.safetensors"],
            "neither tokenizer.json nor vocab.txt",
        ),
    ] {
        let message = refusal(tiny(files).path());
        assert!(message.contains(expected), "{message}");
    }
}

#[rstest]
#[case("model.safetensors", 60_000)]
#[case("model.safetensors", 4)]
#[case("tokenizer.json", 100)]
#[case("config.json", 50)]
#[case("config.json", 0)]
fn truncated_files_are_named(#[case] file: &str, #[case] bytes: usize) {
    let folder = tiny_json();
    let path = folder.path().join(file);
    fs::write(&path, &fs::read(&path).unwrap()[..bytes]).unwrap();
    assert!(
        refusal(folder.path()).contains(file),
        "{}",
        refusal(folder.path())
    );
}

#[test]
fn weights_of_another_size_are_refused() {
    let folder = tiny_json();
    change(
        folder.path(),
        "config.json",
        "intermediate_size",
        Some(json!(41)),
    );
    let message = refusal(folder.path());
    assert!(
        message.contains("model.safetensors") && message.contains("intermediate"),
        "{message}"
    );
}

#[rstest]
#[case(25)]
#[case(2)]
#[case(usize::MAX)]
fn max_tokens_out_of_range_is_refused(#[case] max_tokens: usize) {
    let folder = tiny_json();
    let opened = TextEncoder::open(folder.path(), Pooling::Cls, max_tokens, Device::Cpu);
    let message = opened.unwrap_err().to_string();
    assert!(message.contains("must be from 3 to 24"), "{message}");
}

#[rstest]
#[case("[UNK]")]
#[case("[CLS]")]
#[case("[SEP]")]
fn a_vocabulary_without_special_tokens_is_refused(#[case] token: &str) {
    let folder = tiny(&["config.json", "model.safetensors", "vocab.txt"]);
    let path = folder.path().join("vocab.txt");
    let vocab = fs::read_to_string(&path).unwrap();
    fs::write(path, vocab.replace(&format!("{token}\n"), "")).unwrap();
    let message = refusal(folder.path());
    assert!(
        message.contains(&format!("vocab.txt: has no line {token}")),
        "{message}"
    );
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = tiny_json();
    change(
        folder.path(),
        "tokenizer.json",
        "post_processor",
        Some(Value::Null),
    );
    assert!(refusal(folder.path()).contains("between [CLS] and [SEP]"));
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer = json_file(&path);
    tokenizer["model"]["unk_token"] = json!("[OTHER]");
    fs::write(path, tokenizer.to_string()).unwrap();
    assert!(refusal(folder.path()).contains("lacks the unknown token [OTHER]"));
}

#[test]
fn a_tokenizer_that_the_library_fails_on_is_refused() {
    let folder = tiny_json();
    // The template names a token that is not defined: the library looks it up, and panics.
    let template = json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}],
        "pair": [],
        "special_tokens": {},
    });
    change(
        folder.path(),
        "tokenizer.json",
        "post_processor",
        Some(template),
    );
    let message = refusal(folder.path());
    assert!(
        message.contains("tokenizer.json") && message.contains("failed on it"),
        "{message}"
    );
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let bert = tiny_bert();
    let zeros = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
    let refused = |ids: &Tensor, mask: &Tensor| bert.forward(ids, mask).unwrap_err().to_string();
    let (long, row) = (zeros(&[1, 25], Kind::Int64), zeros(&[1, 4], Kind::Int64));
    assert!(refused(&long, &long).contains("1 to 24 tokens"));
    let empty = zeros(&[1, 0], Kind::Int64);
    assert!(refused(&empty, &empty).contains("these have 0"));
    assert!(refused(&row, &long).contains("[batch, tokens]"));
    assert!(refused(&row.flatten(0, -1), &row.flatten(0, -1)).contains("[batch, tokens]"));
    assert!(refused(&zeros(&[1, 4], Kind::Float), &row).contains("Float"));
    assert!(refused(&(&row + 60), &row.ones_like()).starts_with("libtorch"));
}

#[rstest]
#[case("vocab_size", 16_777_216)]
#[case("max_position_embeddings", 16_777_216)]
#[case("num_hidden_layers", 1024)]
#[case("intermediate_size", 16_777_216)]
fn sizes_that_the_weights_cannot_have_are_refused_before_memory_is_taken(
    #[case] key: &str,
    #[case] size: i64,
) {
    let folder = tiny_json();
    change(folder.path(), "config.json", key, Some(json!(size)));
    let start = std::time::Instant::now();
    let message = refusal(folder.path());
    assert!(
        message.contains("model.safetensors") && message.contains(&format!("{key} {size}")),
        "{message}"
    );
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn random_weights_of_any_size_are_refused() {
    let folder = tiny_json();
    change(
        folder.path(),
        "config.json",
        "vocab_size",
        Some(json!(1 << 24)),
    );
    change(
        folder.path(),
        "config.json",
        "hidden_size",
        Some(json!(1 << 10)),
    );
    let random = TextEncoder::random(folder.path(), 0, Pooling::Cls, 16, Device::Cpu);
    let message = random.unwrap_err().to_string();
    assert!(
        message.contains("config.json") && message.contains("the limit of 1073741824"),
        "{message}"
    );
}
