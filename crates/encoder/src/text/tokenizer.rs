//! The WordPiece tokenizer of a model folder, from `tokenizer.json` or `vocab.txt`.

use std::path::{Path, PathBuf};

use mflag_input::{JSON, TOKENIZER, catch_panic};
use serde_json::Value;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Encoding, ModelWrapper, Tokenizer, TruncationParams};

use crate::{Error, Result};

/// A tokenizer, and the files that it was read from.
pub(super) struct Source {
    pub(super) tokenizer: Tokenizer,
    pub(super) files: Vec<PathBuf>,
    /// Whether texts keep their case because the vocabulary has capitals, and no file states it.
    pub(super) keeps_case: bool,
}

/// Reads the tokenizer of `folder`. It cuts texts at `max_tokens` tokens, including special tokens,
/// and does not pad. Such settings in its file have no effect. Identifiers must be below
/// `vocab_size`.
pub(super) fn read(folder: &Path, max_tokens: usize, vocab_size: i64) -> Result<Source> {
    let (json, vocab) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
    let mut source = if json.exists() {
        Source {
            tokenizer: from_json(&json)?,
            files: vec![json],
            keeps_case: false,
        }
    } else if vocab.exists() {
        from_vocab(folder, &vocab)?
    } else {
        return Err(Error::model(
            folder,
            "has neither tokenizer.json nor vocab.txt: copy them from the model",
        ));
    };
    let file = source.files[0].clone();
    let cut = TruncationParams {
        max_length: max_tokens,
        ..TruncationParams::default()
    };
    source
        .tokenizer
        .with_padding(None)
        .with_truncation(Some(cut))
        .map_err(|e| {
            Error::model(
                &file,
                format!("cannot cut texts at {max_tokens} tokens: {e}"),
            )
        })?;
    check(&source.tokenizer, &file, vocab_size)?;
    Ok(source)
}

fn from_json(path: &Path) -> Result<Tokenizer> {
    let bytes = mflag_input::read(path, &TOKENIZER).map_err(|e| Error::io("read", path, e))?;
    let wrong = |e: &dyn std::fmt::Display| {
        Error::model(path, format!("is not a Hugging Face tokenizer: {e}"))
    };
    catch_panic(|| Tokenizer::from_bytes(bytes))
        .map_err(|e| wrong(&e))?
        .map_err(|e| wrong(&e))
}

/// The tokenizer that `BertTokenizer` of transformers builds, with the same defaults. One differs:
/// if nothing states whether texts are lowercased, and the vocabulary has capitals, texts keep
/// their case.
fn from_vocab(folder: &Path, vocab: &Path) -> Result<Source> {
    let bytes = mflag_input::read(vocab, &TOKENIZER).map_err(|e| Error::io("read", vocab, e))?;
    let broken = |e: tokenizers::Error| Error::model(vocab, format!("is not a vocabulary: {e}"));
    let pieces = WordPiece::read_bytes(&bytes).map_err(broken)?;
    let special = |token: &str| {
        let id = pieces.get(token).copied();
        id.map(|id| (token.to_owned(), id)).ok_or_else(|| {
            Error::model(
                vocab,
                format!("has no line {token}, so it is not the vocabulary of a BERT"),
            )
        })
    };
    special("[UNK]")?;
    let template = BertProcessing::new(special("[SEP]")?, special("[CLS]")?);
    let specials: Vec<_> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .into_iter()
        .filter(|token| pieces.contains_key(*token))
        .map(|token| AddedToken::from(token, true))
        .collect();

    let config = folder.join("tokenizer_config.json");
    let options = NormalizerOptions::read(&config)?;
    let has_capitals = pieces.keys().any(|piece| is_capitalised(piece));
    let lower_case = options.do_lower_case.unwrap_or(!has_capitals);
    warn_of_case(vocab, options.do_lower_case, has_capitals);
    let keeps_case = options.do_lower_case.is_none() && has_capitals;
    let mut tokenizer = Tokenizer::new(WordPiece::builder().vocab(pieces).build().map_err(broken)?);
    tokenizer
        .with_normalizer(Some(options.normalizer(lower_case)))
        .map_err(broken)?;
    tokenizer
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(template));
    tokenizer.add_special_tokens(specials).map_err(broken)?;
    let mut files = vec![vocab.to_owned()];
    files.extend(config.exists().then_some(config));
    Ok(Source {
        tokenizer,
        files,
        keeps_case,
    })
}

/// Whether a piece has a capital from A to Z. Special tokens, such as `[CLS]`, do not count, nor do
/// signs such as `ℝ`, which lowercased vocabularies have, too.
fn is_capitalised(piece: &str) -> bool {
    let is_special = piece.starts_with('[') && piece.ends_with(']');
    !is_special && piece.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Says so if the case of texts was not stated, or does not fit the vocabulary.
fn warn_of_case(vocab: &Path, stated: Option<bool>, has_capitals: bool) {
    let vocab = vocab.display();
    match (stated, has_capitals) {
        (None, true) => tracing::warn!(
            "{vocab} has capitals, and no tokenizer_config.json states do_lower_case: texts keep \
             their case; if that is wrong, write {{\"do_lower_case\": true}} into it"
        ),
        (Some(true), true) => tracing::warn!(
            "{vocab} has capitals, but tokenizer_config.json has do_lower_case: true: its pieces \
             with capitals are never used"
        ),
        (Some(false), false) => tracing::warn!(
            "{vocab} has no capitals, but tokenizer_config.json has do_lower_case: false: words \
             with capitals become [UNK]"
        ),
        _ => {}
    }
}

/// The options of the normaliser in `tokenizer_config.json`.
struct NormalizerOptions {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
}

impl NormalizerOptions {
    fn read(path: &Path) -> Result<NormalizerOptions> {
        let config: Value = match mflag_input::read(path, &JSON) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Error::model(path, format!("is not JSON: {e}")))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Value::Null,
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let option = |key: &str| match &config[key] {
            Value::Null => Ok(None),
            Value::Bool(on) => Ok(Some(*on)),
            other => Err(Error::model(
                path,
                format!("{key} is {other}, but must be true or false"),
            )),
        };
        Ok(NormalizerOptions {
            do_lower_case: option("do_lower_case")?,
            strip_accents: option("strip_accents")?,
            tokenize_chinese_chars: option("tokenize_chinese_chars")?.unwrap_or(true),
        })
    }

    fn normalizer(&self, lower_case: bool) -> BertNormalizer {
        BertNormalizer::new(
            true,
            self.tokenize_chinese_chars,
            self.strip_accents,
            lower_case,
        )
    }
}

/// The tokens of a text. A damaged tokenizer can panic on any text.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> std::result::Result<Encoding, String> {
    match catch_panic(|| tokenizer.encode_fast(text, true)) {
        Ok(Ok(encoding)) => Ok(encoding),
        Ok(Err(e)) => Err(e.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

/// Checks the tokenizer when it is opened. Otherwise these faults would appear in the middle of a
/// run, at the first text that meets them.
fn check(tokenizer: &Tokenizer, file: &Path, vocab_size: i64) -> Result<()> {
    if let ModelWrapper::WordPiece(model) = tokenizer.get_model()
        && tokenizer.token_to_id(&model.unk_token).is_none()
    {
        let reason = format!("its vocabulary lacks the unknown token {}", model.unk_token);
        return Err(Error::model(file, reason));
    }
    let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
    if i64::from(largest) >= vocab_size {
        let reason = format!(
            "has token identifier {largest}, but vocab_size in config.json is {vocab_size}: \
             the files belong to different models"
        );
        return Err(Error::model(file, reason));
    }
    let empty = encode(tokenizer, "")
        .map_err(|e| Error::model(file, format!("fails on an empty text: {e}")))?;
    let ends = ["[CLS]", "[SEP]"].map(|token| tokenizer.token_to_id(token));
    if empty.get_ids().iter().map(|id| Some(*id)).ne(ends) {
        return Err(Error::model(
            file,
            "does not put texts between [CLS] and [SEP], which BERT needs",
        ));
    }
    Ok(())
}
