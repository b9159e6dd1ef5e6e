//! BERT and the text encoder give the values of transformers (`tests/oracle/bert.py`). Wrong
//! folders and inputs give errors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod refusals;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use mflag_encoder::bert::{Bert, Config};
use mflag_encoder::text::{Pooling, TextEncoder};
use ndarray::{Array2, Axis};
use rstest::rstest;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, nn};
use tempfile::TempDir;

/// The largest difference from transformers for the tiny model, whose values are of the order of 1,
/// and for MiniLM.
const TINY: f32 = 1e-5;
const MINILM: f64 = 1e-4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn golden() -> PathBuf {
    root().join("tests/golden/bert")
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn npy(name: &str) -> Vec<f32> {
    let bytes = fs::read(golden().join(name)).unwrap();
    let (header, start) = mflag_core::npy::Header::read(&bytes).unwrap();
    assert_eq!(header.values, mflag_core::npy::Values::F32);
    let values = bytes[start..].chunks_exact(4);
    values
        .map(|value| f32::from_le_bytes(value.try_into().unwrap()))
        .collect()
}

/// A folder with the named files of the tiny model.
fn tiny(files: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in files {
        fs::copy(golden().join("tiny").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn tiny_json() -> TempDir {
    tiny(&["config.json", "model.safetensors", "tokenizer.json"])
}

fn open(folder: &Path, pooling: Pooling) -> TextEncoder {
    TextEncoder::open(folder, pooling, 16, Device::Cpu).unwrap()
}

fn change(folder: &Path, file: &str, key: &str, value: Option<Value>) {
    let path = folder.join(file);
    let mut keys = json_file(&path);
    match value {
        Some(value) => keys[key] = value,
        None => drop(keys.as_object_mut().unwrap().remove(key)),
    }
    fs::write(path, keys.to_string()).unwrap();
}

fn texts() -> Vec<String> {
    serde_json::from_value(json_file(&golden().join("tiny.json"))["texts"].clone()).unwrap()
}

fn ids(key: &str) -> Vec<Vec<u32>> {
    serde_json::from_value(json_file(&golden().join("tiny.json"))[key].clone()).unwrap()
}

fn assert_near(ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    // `f32::max` ignores NaN.
    assert!(
        ours.iter().all(|x| x.is_finite()) && worst <= tolerance,
        "differs by {worst}"
    );
}

fn embed(encoder: &TextEncoder, texts: &[String], batch_tokens: usize) -> Array2<f32> {
    encoder.embed(texts, batch_tokens, &|_| ()).unwrap().vectors
}

#[rstest]
#[case::padded_together(10_000)]
#[case::in_several_batches(32)]
#[case::one_by_one(1)]
fn tiny_vectors_equal_transformers(#[case] batch_tokens: usize) {
    for (pooling, name) in [(Pooling::Cls, "cls"), (Pooling::Mean, "mean")] {
        for act in ["gelu", "gelu_new", "relu"] {
            let folder = tiny_json();
            change(folder.path(), "config.json", "hidden_act", Some(json!(act)));
            let vectors = embed(&open(folder.path(), pooling), &texts(), batch_tokens);
            assert_eq!(vectors.dim(), (6, 32));
            assert_near(
                vectors.as_slice().unwrap(),
                &npy(&format!("{name}_{act}.npy")),
                TINY,
            );
        }
    }
}

/// The tiny model. Its weights are loaded without this project's reader.
fn tiny_bert() -> Bert {
    let config = Config::read(golden().join("tiny/config.json")).unwrap();
    let mut store = nn::VarStore::new(Device::Cpu);
    let bert = Bert::new(store.root(), &config).unwrap();
    store.freeze();
    let bytes = fs::read(golden().join("tiny/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, variable) in store.variables() {
        let view = file.tensor(&format!("bert.{name}")).unwrap();
        let values = Tensor::from_data_size(view.data(), &variable.size(), Kind::Float);
        variable.shallow_clone().copy_(&values);
    }
    bert
}

#[test]
fn hidden_states_equal_transformers() {
    let ids = ids("ids");
    let longest = ids.iter().map(Vec::len).max().unwrap();
    let at = |i: usize, j: usize| ids[i].get(j).map(|id| i64::from(*id));
    let positions = || (0..ids.len()).flat_map(|i| (0..longest).map(move |j| (i, j)));
    let shape = [ids.len() as i64, longest as i64];
    // The identifier at padding must not matter. It is 7 here, and 0 in transformers.
    let batch: Vec<i64> = positions().map(|(i, j)| at(i, j).unwrap_or(7)).collect();
    let mask: Vec<i64> = positions()
        .map(|(i, j)| at(i, j).is_some().into())
        .collect();
    let (batch, mask) = (
        Tensor::from_slice(&batch).view(shape),
        Tensor::from_slice(&mask).view(shape),
    );

    let hidden = tiny_bert().forward(&batch, &mask).unwrap();
    assert_eq!(hidden.size(), [6, longest as i64, 32]);
    let shown = (hidden * mask.unsqueeze(-1)).flatten(0, -1);
    assert_near(
        &Vec::<f32>::try_from(&shown).unwrap(),
        &npy("hidden.npy"),
        TINY,
    );
}

#[test]
fn variables_have_the_names_of_transformers() {
    let config = Config::read(golden().join("tiny/config.json")).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    Bert::new(store.root(), &config).unwrap();
    let mut ours: Vec<_> = store.variables().into_keys().collect();
    ours.sort();
    let bytes = fs::read(golden().join("tiny/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut theirs: Vec<_> = file
        .names()
        .into_iter()
        .filter(|name| !name.ends_with("position_ids"))
        .filter_map(|name| name.strip_prefix("bert.").map(str::to_owned))
        .collect();
    theirs.sort();
    assert_eq!(ours, theirs);
}

/// A BERT is one whatever its `config.json` calls it: Hugging Face's name of CXR-BERT, and none.
#[rstest]
#[case(Some(json!("cxr-bert")))]
#[case(Some(json!("bert")))]
#[case(None)]
fn weights_decide_what_is_a_bert(#[case] model_type: Option<Value>) {
    let folder = tiny_json();
    change(folder.path(), "config.json", "model_type", model_type);
    let vectors = embed(&open(folder.path(), Pooling::Cls), &texts(), 64);
    assert_near(vectors.as_slice().unwrap(), &npy("cls_gelu.npy"), TINY);
}

/// Divides the tensors of the tiny model among two files, with an index.
fn divided() -> TempDir {
    let folder = tiny(&["config.json", "tokenizer.json"]);
    let bytes = fs::read(golden().join("tiny/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (mut shards, mut map) = ([Vec::new(), Vec::new()], serde_json::Map::new());
    for (index, (name, view)) in file.iter().enumerate() {
        shards[index % 2].push((name, view));
        map.insert(name.to_owned(), json!(shard_name(index % 2)));
    }
    for (index, shard) in shards.into_iter().enumerate() {
        let bytes = safetensors::serialize(shard, None).unwrap();
        fs::write(folder.path().join(shard_name(index)), bytes).unwrap();
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    fs::write(folder.path().join(INDEX), index.to_string()).unwrap();
    folder
}

const INDEX: &str = "model.safetensors.index.json";

fn shard_name(index: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", index + 1)
}

#[test]
fn divided_weights_give_the_same_vectors_and_each_file_counts_in_the_fingerprint() {
    let folder = divided();
    let encoder = open(folder.path(), Pooling::Cls);
    let vectors = embed(&encoder, &texts(), 64);
    assert_near(vectors.as_slice().unwrap(), &npy("cls_gelu.npy"), TINY);

    let shard = folder.path().join(shard_name(1));
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let changed = open(folder.path(), Pooling::Cls);
    assert_ne!(changed.fingerprint(), encoder.fingerprint());
}

#[rstest]
#[case(|index: &mut Value| index["weight_map"] = json!({}), "has no `weight_map`")]
#[case(|index: &mut Value| index["weight_map"]["x"] = json!("../x.safetensors"), "in the same folder")]
#[case(|index: &mut Value| index["weight_map"]["x"] = json!(INDEX), "in the same folder")]
#[case(|index: &mut Value| index["weight_map"]["x"] = json!(shard_name(0)), "lacks the tensor `x`")]
#[case(|index: &mut Value| index["weight_map"]["x"] = json!("none.bin"), "none.bin")]
fn a_wrong_index_is_named(#[case] damage: fn(&mut Value), #[case] expected: &str) {
    let folder = divided();
    let path = folder.path().join(INDEX);
    let mut index = json_file(&path);
    damage(&mut index);
    fs::write(&path, index.to_string()).unwrap();
    let opened = TextEncoder::open(folder.path(), Pooling::Cls, 16, Device::Cpu);
    let message = opened.unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn cut_texts_are_told() {
    let encoder = open(tiny_json().path(), Pooling::Cls);
    let texts = texts();
    let long = vec![texts.join(" "), texts[0].clone()];
    let embedded = encoder.embed(&long, 64, &|_| ()).unwrap();
    assert_eq!(embedded.cut, [true, false]);
    let begin = encoder.tokenize(&long).unwrap();
    assert_eq!(begin[0].len(), 16);
}

/// The tiny model with `piece` as the last one of its vocabulary, and the identifier of this piece.
fn with_last_piece(piece: &str) -> (TempDir, u32) {
    let folder = tiny(&["config.json", "model.safetensors", "vocab.txt"]);
    let path = folder.path().join("vocab.txt");
    let vocab = fs::read_to_string(&path).unwrap();
    let mut pieces: Vec<&str> = vocab.lines().collect();
    let last = pieces.len() - 1;
    pieces[last] = piece;
    fs::write(&path, pieces.join("\n")).unwrap();
    (folder, last as u32)
}

/// The lowercased vocabulary of MiniLM has a sign that Unicode counts as a capital.
#[test]
fn a_sign_is_no_capital() {
    let (folder, _) = with_last_piece("\u{211d}");
    let encoder = open(folder.path(), Pooling::Cls);
    let tokens = encoder
        .tokenize(&["No".to_owned(), "no".to_owned()])
        .unwrap();
    assert_eq!(tokens[0], tokens[1]);
}

/// A vocabulary with capitals and no statement about them: texts keep their case. With a statement,
/// they follow it, as transformers does.
#[rstest]
#[case(None, true)]
#[case(Some(false), true)]
#[case(Some(true), false)]
fn the_case_of_texts_follows_the_statement_or_else_the_vocabulary(
    #[case] stated: Option<bool>,
    #[case] keeps: bool,
) {
    let (folder, last) = with_last_piece("Lungs");
    if let Some(stated) = stated {
        let config = json!({ "do_lower_case": stated }).to_string();
        fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
    }
    let encoder = open(folder.path(), Pooling::Cls);
    let tokens = encoder.tokenize(&["Lungs".to_owned()]).unwrap();
    assert_eq!(tokens[0].contains(&last), keeps, "{tokens:?}");
}

#[test]
fn a_pytorch_file_without_prefix_gives_the_same_vectors() {
    let folder = tiny(&["config.json", "pytorch_model.bin", "vocab.txt"]);
    let vectors = embed(&open(folder.path(), Pooling::Cls), &texts(), 64);
    assert_near(vectors.as_slice().unwrap(), &npy("cls_gelu.npy"), TINY);
}

#[test]
fn tokens_equal_transformers_with_either_tokenizer_file() {
    let json = tiny_json();
    let vocab = tiny(&[
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
    ]);
    for folder in [&json, &vocab] {
        assert_eq!(
            open(folder.path(), Pooling::Cls)
                .tokenize(&texts())
                .unwrap(),
            ids("ids")
        );
    }
    change(
        vocab.path(),
        "tokenizer_config.json",
        "do_lower_case",
        Some(json!(false)),
    );
    let cased = open(vocab.path(), Pooling::Cls);
    assert_eq!(cased.tokenize(&texts()).unwrap(), ids("ids_cased"));
}

#[test]
fn a_vector_depends_only_on_its_text() {
    let folder = tiny_json();
    for pooling in [Pooling::Cls, Pooling::Mean] {
        let encoder = open(folder.path(), pooling);
        let mut texts = texts();
        texts.extend((0..30).map(|n| "no effusion ".repeat(n)));
        let together = embed(&encoder, &texts, 40);
        texts.reverse();
        let backwards = embed(&encoder, &texts, 1000);
        for (i, text) in texts.iter().enumerate() {
            let alone = embed(&encoder, std::slice::from_ref(text), 1000)
                .row(0)
                .to_vec();
            assert_near(&backwards.row(i).to_vec(), &alone, TINY);
            assert_near(&together.row(texts.len() - 1 - i).to_vec(), &alone, TINY);
        }
    }
}

#[test]
fn progress_counts_texts_and_an_empty_list_gives_no_vectors() {
    let folder = tiny_json();
    let encoder = open(folder.path(), Pooling::Mean);
    let counts = RefCell::new(Vec::new());
    encoder
        .embed(&texts(), 32, &|n| counts.borrow_mut().push(n))
        .unwrap();
    assert!(counts.borrow().len() > 1);
    assert_eq!(counts.borrow().iter().sum::<usize>(), texts().len());
    assert_eq!(embed(&encoder, &[], 32).dim(), (0, 32));
}

#[test]
fn a_fingerprint_changes_with_everything_that_changes_vectors() {
    let folder = tiny(&[
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
    ]);
    let path = folder.path();
    let first = open(path, Pooling::Cls).fingerprint();
    assert_eq!(first.len(), 64);
    assert_eq!(first, open(path, Pooling::Cls).fingerprint());
    let shorter = TextEncoder::open(path, Pooling::Cls, 15, Device::Cpu).unwrap();
    let random = |seed| TextEncoder::random(path, seed, Pooling::Cls, 16, Device::Cpu).unwrap();
    let mut seen = vec![
        first,
        open(path, Pooling::Mean).fingerprint(),
        shorter.fingerprint(),
    ];
    seen.extend([random(1).fingerprint(), random(2).fingerprint()]);
    change(
        path,
        "tokenizer_config.json",
        "do_lower_case",
        Some(json!(false)),
    );
    seen.push(open(path, Pooling::Cls).fingerprint());
    change(path, "config.json", "hidden_act", Some(json!("relu")));
    seen.push(open(path, Pooling::Cls).fingerprint());
    let weights = path.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    seen.push(open(path, Pooling::Cls).fingerprint());
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn random_weights_follow_the_seed() {
    let folder = tiny(&["config.json", "vocab.txt"]);
    let random = |seed| {
        let encoder =
            TextEncoder::random(folder.path(), seed, Pooling::Cls, 16, Device::Cpu).unwrap();
        embed(&encoder, &texts(), 64)
    };
    let first = random(1);
    assert_eq!(first, random(1));
    assert_ne!(first, random(2));
    // Texts have different vectors, and the last layer norm normalises each.
    assert_ne!(first.row(0), first.row(1));
    let variance = first.var_axis(Axis(1), 0.0);
    assert!(
        variance.iter().all(|v| (v - 1.0).abs() < 1e-3),
        "{variance}"
    );
}

#[test]
fn opening_an_encoder_does_not_use_the_global_generator() {
    let folder = tiny(&["config.json", "vocab.txt", "model.safetensors"]);
    let draw = || f64::try_from(Tensor::rand([1], (Kind::Double, Device::Cpu))).unwrap();
    tch::manual_seed(3);
    let expected = draw();
    tch::manual_seed(3);
    TextEncoder::random(folder.path(), 1, Pooling::Cls, 16, Device::Cpu).unwrap();
    open(folder.path(), Pooling::Cls);
    assert_eq!(draw(), expected);
}

#[test]
fn random_weights_are_normal_with_the_initializer_range() {
    let mut config = Config::read(golden().join("tiny/config.json")).unwrap();
    config.vocab_size = 4000;
    let store = nn::VarStore::new(Device::Cpu);
    let mut bert = Bert::new(store.root(), &config).unwrap();
    bert.randomise(5).unwrap();
    let words = store.variables()["embeddings.word_embeddings.weight"].detach();
    let words = words.to_kind(Kind::Double);
    let number = |t: Tensor| f64::try_from(t).unwrap();
    assert_eq!(number(words.get(0).abs().max()), 0.0);
    let drawn = words.narrow(0, 1, 3999) / 0.02;
    assert!(number(drawn.mean(Kind::Double)).abs() < 0.02);
    assert!((number(drawn.std(true)) - 1.0).abs() < 0.01);
    let within_one = number(drawn.abs().lt(1.0).to_kind(Kind::Double).mean(Kind::Double));
    assert!((within_one - 0.6827).abs() < 0.005, "{within_one}");
}

/// The model that `./just setup` installs.
fn minilm() -> PathBuf {
    let folder = root().join(".models/all-minilm-l6-v2");
    assert!(
        folder.is_dir(),
        "{} is missing: run ./just setup",
        folder.display()
    );
    folder
}

#[rstest]
#[case(Pooling::Cls, "cls")]
#[case(Pooling::Mean, "mean")]
fn minilm_equals_transformers(#[case] pooling: Pooling, #[case] name: &str) {
    let golden = json_file(&golden().join("minilm.json"));
    let max_tokens = golden["max_tokens"].as_u64().unwrap() as usize;
    let encoder = TextEncoder::open(minilm(), pooling, max_tokens, Device::Cpu).unwrap();
    assert_eq!(encoder.hidden(), 384);
    let rows = golden["rows"].as_array().unwrap();
    let texts: Vec<String> = rows
        .iter()
        .map(|r| r["text"].as_str().unwrap().to_owned())
        .collect();
    let ids: Vec<Vec<u32>> = rows
        .iter()
        .map(|r| serde_json::from_value(r["ids"].clone()).unwrap())
        .collect();
    assert_eq!(encoder.tokenize(&texts).unwrap(), ids);
    assert_eq!(ids[5].len(), max_tokens, "the last text is longer");

    let vectors = embed(&encoder, &texts, 10_000);
    for (row, vector) in rows.iter().zip(vectors.rows()) {
        let vector: Vec<f64> = vector.iter().map(|x| f64::from(*x)).collect();
        let n = vector.len() as f64;
        let ramp = |i: usize| 2.0 * i as f64 / (n - 1.0) - 1.0;
        let near = |ours: f64, theirs: &Value| {
            let difference = (ours - theirs.as_f64().unwrap()).abs();
            assert!(difference <= MINILM, "{row} differs by {difference}");
        };
        for (ours, theirs) in vector.iter().zip(row[name]["first"].as_array().unwrap()) {
            near(*ours, theirs);
        }
        near(vector.iter().sum::<f64>() / n, &row[name]["mean"]);
        near(
            (vector.iter().map(|x| x * x).sum::<f64>() / n).sqrt(),
            &row[name]["rms"],
        );
        let slope = vector
            .iter()
            .enumerate()
            .map(|(i, x)| x * ramp(i))
            .sum::<f64>()
            / n;
        near(slope, &row[name]["ramp"]);
    }
}

#[test]
fn minilm_vocabulary_file_gives_the_same_tokens() {
    let folder = TempDir::new().unwrap();
    for name in ["config.json", "vocab.txt", "tokenizer_config.json"] {
        fs::copy(minilm().join(name), folder.path().join(name)).unwrap();
    }
    change(
        folder.path(),
        "config.json",
        "num_hidden_layers",
        Some(json!(1)),
    );
    let encoder = TextEncoder::random(folder.path(), 1, Pooling::Cls, 200, Device::Cpu).unwrap();
    for row in json_file(&golden().join("minilm.json"))["rows"]
        .as_array()
        .unwrap()
    {
        let text = row["text"].as_str().unwrap().to_owned();
        assert_eq!(json!(encoder.tokenize(&[text]).unwrap()[0]), row["ids"]);
    }
}

#[test]
fn pooling_has_short_names() {
    assert_eq!(
        serde_json::to_value([Pooling::Cls, Pooling::Mean]).unwrap(),
        json!(["cls", "mean"])
    );
}
