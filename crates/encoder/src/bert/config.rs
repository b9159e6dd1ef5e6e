//! The `config.json` of a Hugging Face BERT.

use std::path::Path;

use mflag_input::JSON;
use serde_json::{Map, Value};
use tch::Tensor;

use crate::{Error, Result};

/// The sizes and options of a BERT. Fields have the names of the keys in `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The width of the hidden states, a multiple of `num_attention_heads`.
    pub hidden_size: i64,
    /// The number of layers.
    pub num_hidden_layers: i64,
    /// The number of attention heads.
    pub num_attention_heads: i64,
    /// The width of the hidden layer of each feed-forward block.
    pub intermediate_size: i64,
    /// The activation function of the feed-forward blocks.
    pub hidden_act: Activation,
    /// The number of token identifiers.
    pub vocab_size: i64,
    /// The most tokens in a text.
    pub max_position_embeddings: i64,
    /// The number of token types. Only type 0 is used.
    pub type_vocab_size: i64,
    /// Added to the variance in layer normalisation.
    pub layer_norm_eps: f64,
    /// The standard deviation of random weights.
    pub initializer_range: f64,
}

/// The activation function of the feed-forward blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU with the error function.
    Gelu,
    /// GELU with its tanh approximation.
    GeluNew,
    /// ReLU.
    Relu,
}

impl Activation {
    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Gelu => x.f_gelu("none")?,
            Activation::GeluNew => x.f_gelu("tanh")?,
            Activation::Relu => x.f_relu()?,
        })
    }
}

/// Upper limits that no published BERT reaches. Without them, a damaged file could request all
/// memory.
const LARGEST_SIZE: i64 = 1 << 24;
const MOST_LAYERS: i64 = 1 << 10;

/// The sizes in `config.json` that decide the number of parameters.
impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a BERT by config.json (vocab_size {}, max_position_embeddings {}, type_vocab_size {}, \
             hidden_size {}, intermediate_size {}, num_hidden_layers {})",
            self.vocab_size,
            self.max_position_embeddings,
            self.type_vocab_size,
            self.hidden_size,
            self.intermediate_size,
            self.num_hidden_layers
        )
    }
}

/// Values of `model_type` whose weights may have a BERT's names and shapes, but which compute
/// something else: other positions, other embeddings or another order of the layer norms.
const OTHER_MODELS: [&str; 14] = [
    "albert",
    "camembert",
    "data2vec-text",
    "ernie",
    "esm",
    "layoutlm",
    "longformer",
    "megatron-bert",
    "mpnet",
    "nezha",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
];

impl Config {
    /// The number of parameters of the model, without pooler.
    pub fn parameters(&self) -> u64 {
        let [hidden, inner] = [self.hidden_size, self.intermediate_size].map(i64::cast_unsigned);
        let rows = self.vocab_size + self.max_position_embeddings + self.type_vocab_size;
        let norm = 2 * hidden;
        let attention = 4 * (hidden * hidden + hidden) + norm;
        let feed_forward = hidden * inner + inner + inner * hidden + hidden + norm;
        let layers = self.num_hidden_layers.cast_unsigned();
        rows.cast_unsigned() * hidden + norm + layers * (attention + feed_forward)
    }

    /// Reads `config.json`. The sizes are required; other missing keys have the defaults of Hugging
    /// Face's transformers.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::Model`] with the key and its value if
    /// this crate cannot run such a BERT.
    pub fn read(path: impl AsRef<Path>) -> Result<Config> {
        let path = path.as_ref();
        let bytes = mflag_input::read(path, &JSON).map_err(|e| Error::io("read", path, e))?;
        let keys = serde_json::from_slice(&bytes)
            .map_err(|e| Error::model(path, format!("is not a JSON object: {e}")))?;
        Keys { path, keys }.config()
    }
}

struct Keys<'a> {
    path: &'a Path,
    keys: Map<String, Value>,
}

impl Keys<'_> {
    fn config(&self) -> Result<Config> {
        self.check_type()?;
        self.one_of("position_embedding_type", Some(()), &[("absolute", ())])?;
        if self
            .get("is_decoder")
            .is_some_and(|v| v != &Value::Bool(false))
        {
            return Err(self.wrong("is_decoder", "false"));
        }
        let activations = [
            ("gelu", Activation::Gelu),
            ("gelu_new", Activation::GeluNew),
            ("relu", Activation::Relu),
        ];
        let config = Config {
            hidden_size: self.size("hidden_size", LARGEST_SIZE)?,
            num_hidden_layers: self.size("num_hidden_layers", MOST_LAYERS)?,
            num_attention_heads: self.size("num_attention_heads", LARGEST_SIZE)?,
            intermediate_size: self.size("intermediate_size", LARGEST_SIZE)?,
            hidden_act: self.one_of("hidden_act", Some(Activation::Gelu), &activations)?,
            vocab_size: self.size("vocab_size", LARGEST_SIZE)?,
            max_position_embeddings: self.size("max_position_embeddings", LARGEST_SIZE)?,
            type_vocab_size: match self.get("type_vocab_size") {
                Some(_) => self.size("type_vocab_size", LARGEST_SIZE)?,
                None => 2,
            },
            layer_norm_eps: self.positive("layer_norm_eps", 1e-12)?,
            initializer_range: self.positive("initializer_range", 0.02)?,
        };
        if config.hidden_size % config.num_attention_heads != 0 {
            let wanted = format!("a divisor of hidden_size, {}", config.hidden_size);
            return Err(self.wrong("num_attention_heads", &wanted));
        }
        Ok(config)
    }

    /// Checks `model_type`. Models that are BERTs have many names there, such as `cxr-bert`, or
    /// none: names and shapes of the weights decide. Those that compute something else from weights
    /// of the same names and shapes are refused.
    fn check_type(&self) -> Result<()> {
        let Some(model_type) = self.get("model_type") else {
            let path = self.path.display();
            tracing::warn!(
                "{path}: has no model_type; the model counts as a BERT if its weights fit"
            );
            return Ok(());
        };
        if OTHER_MODELS.iter().any(|other| model_type == other) {
            return Err(self.wrong("model_type", "\"bert\" or the name of a kind of BERT"));
        }
        if model_type != "bert" {
            let path = self.path.display();
            tracing::warn!(
                "{path}: model_type is {model_type}; the model counts as a BERT if its weights fit"
            );
        }
        Ok(())
    }

    /// The value of a key. Null counts as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn size(&self, key: &str, largest: i64) -> Result<i64> {
        let size = self.get(key).and_then(Value::as_i64);
        size.filter(|size| (1..=largest).contains(size))
            .ok_or_else(|| self.wrong(key, &format!("an integer from 1 to {largest}")))
    }

    fn positive(&self, key: &str, default: f64) -> Result<f64> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let number = value.as_f64().filter(|x| *x > 0.0 && x.is_finite());
        number.ok_or_else(|| self.wrong(key, "a number above 0"))
    }

    fn one_of<T: Copy>(&self, key: &str, default: Option<T>, choices: &[(&str, T)]) -> Result<T> {
        let chosen = match self.get(key) {
            Some(value) => choices
                .iter()
                .find(|(name, _)| value == name)
                .map(|(_, chosen)| *chosen),
            None => default,
        };
        chosen.ok_or_else(|| {
            let names: Vec<_> = choices
                .iter()
                .map(|(name, _)| format!("{name:?}"))
                .collect();
            self.wrong(key, &names.join(" or "))
        })
    }

    fn wrong(&self, key: &str, wanted: &str) -> Error {
        let reason = match self.keys.get(key) {
            Some(value) => {
                format!("{key} is {value}, but must be {wanted} for a BERT that mflag can run")
            }
            None => format!("{key} is missing, but must be {wanted} for a BERT that mflag can run"),
        };
        Error::model(self.path, reason)
    }
}
