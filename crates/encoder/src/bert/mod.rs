//! A frozen BERT: the encoder layers without dropout.
//!
//! Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers". Parameter names and
//! details are those of `BertModel` in Hugging Face's transformers, so that checkpoints load
//! without renaming. The pooler is left out because its output is not used.

mod config;

pub use config::{Activation, Config};

use std::borrow::Borrow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tch::{Kind, Tensor, nn};

use crate::{Error, Result};

/// The BERT encoder, in evaluation mode.
#[derive(Debug)]
pub struct Bert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    config: Config,
}

impl Bert {
    /// Adds the model's variables to `path`. Weights and biases are zero and layer norms neutral
    /// until weights are loaded or [`Bert::randomise`] is called: libtorch's global random
    /// generator is not used.
    ///
    /// # Errors
    /// [`Error::Torch`] if the memory of the device does not suffice.
    pub fn new<'a>(path: impl Borrow<nn::Path<'a>>, config: &Config) -> Result<Bert> {
        let path = path.borrow();
        let layers = path / "encoder" / "layer";
        Ok(Bert {
            embeddings: Embeddings::new(&(path / "embeddings"), config)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(&(&layers / i), config))
                .collect::<Result<_>>()?,
            config: config.clone(),
        })
    }

    /// The configuration of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last hidden states, f32 `[B, T, hidden_size]`.
    ///
    /// `ids` are i64 `[B, T]`, each in `0..vocab_size`. `mask` is `[B, T]` of any kind, zero at
    /// padding; no token attends to padding. All tokens have type 0. Each row must have at least
    /// one token that is not padding.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape or kind, or more tokens than the model has positions.
    /// [`Error::Torch`] if memory does not suffice or, on the CPU, an identifier is out of range.
    pub fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.check(ids, mask)?;
        let attended = mask.f_ne(0)?.f_unsqueeze(1)?.f_unsqueeze(1)?;
        let embedded = self.embeddings.forward(ids)?;
        self.layers
            .iter()
            .try_fold(embedded, |hidden, layer| layer.forward(&hidden, &attended))
    }

    fn check(&self, ids: &Tensor, mask: &Tensor) -> Result<()> {
        let shape = ids.size();
        if shape.len() != 2 || shape != mask.size() || ids.kind() != Kind::Int64 {
            return Err(Error::Input(format!(
                "BERT needs token identifiers of kind Int64 and a mask, both [batch, tokens]; \
                 these are {:?} {shape:?} and {:?}",
                ids.kind(),
                mask.size()
            )));
        }
        let positions = self.config.max_position_embeddings;
        if shape[1] < 1 || shape[1] > positions {
            return Err(Error::Input(format!(
                "BERT needs 1 to {positions} tokens per text (max_position_embeddings); \
                 these have {}",
                shape[1]
            )));
        }
        Ok(())
    }

    /// Draws random weights as BERT's authors did: normal with standard deviation
    /// `initializer_range`, biases zero, layer norms neutral, the embedding of identifier 0
    /// (padding) zero. A seed gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Torch`] if memory does not suffice.
    pub fn randomise(&mut self, seed: u64) -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stdev = self.config.initializer_range;
        let _frozen = tch::no_grad_guard();
        self.embeddings.randomise(stdev, &mut rng)?;
        self.layers
            .iter_mut()
            .try_for_each(|layer| layer.randomise(stdev, &mut rng))
    }
}

#[derive(Debug)]
struct Embeddings {
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: Norm,
}

impl Embeddings {
    fn new(path: &nn::Path<'_>, config: &Config) -> Result<Embeddings> {
        let table = |name: &str, rows| (path / name).f_zeros("weight", &[rows, config.hidden_size]);
        Ok(Embeddings {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            types: table("token_type_embeddings", config.type_vocab_size)?,
            norm: Norm::new(&(path / "LayerNorm"), config)?,
        })
    }

    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let words = Tensor::f_embedding(&self.words, ids, -1, false, false)?;
        let positions = self
            .positions
            .f_narrow(0, 0, ids.size()[1])?
            .f_add(&self.types.f_get(0)?)?;
        self.norm.forward(&words.f_add(&positions)?)
    }

    fn randomise(&mut self, stdev: f64, rng: &mut ChaCha8Rng) -> Result<()> {
        for table in [&mut self.words, &mut self.positions, &mut self.types] {
            fill_normal(table, stdev, rng)?;
        }
        let _ = self.words.f_get(0)?.f_zero_()?;
        self.norm.reset()
    }
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    attention_norm: Norm,
    wide: Linear,
    narrow: Linear,
    output_norm: Norm,
    heads: i64,
    activation: Activation,
}

impl Layer {
    fn new(path: &nn::Path<'_>, config: &Config) -> Result<Layer> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (attention, output) = (path / "attention", path / "output");
        let (own, mixed) = (&attention / "self", &attention / "output");
        Ok(Layer {
            query: Linear::new(&(&own / "query"), hidden, hidden)?,
            key: Linear::new(&(&own / "key"), hidden, hidden)?,
            value: Linear::new(&(&own / "value"), hidden, hidden)?,
            mixed: Linear::new(&(&mixed / "dense"), hidden, hidden)?,
            attention_norm: Norm::new(&(&mixed / "LayerNorm"), config)?,
            wide: Linear::new(&(path / "intermediate" / "dense"), hidden, inner)?,
            narrow: Linear::new(&(&output / "dense"), inner, hidden)?,
            output_norm: Norm::new(&(&output / "LayerNorm"), config)?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, hidden: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let mixed = self.mixed.forward(&self.attention(hidden, attended)?)?;
        let hidden = self.attention_norm.forward(&hidden.f_add(&mixed)?)?;
        let wide = self.activation.apply(&self.wide.forward(&hidden)?)?;
        self.output_norm
            .forward(&hidden.f_add(&self.narrow.forward(&wide)?)?)
    }

    /// `hidden` is `[B, T, H]`, `attended` bool `[B, 1, 1, T]`, the result `[B, T, H]`.
    fn attention(&self, hidden: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let split = |linear: &Linear| -> Result<Tensor> {
            let projected = linear.forward(hidden)?;
            Ok(projected
                .f_unflatten(2, [self.heads, -1])?
                .f_transpose(1, 2)?)
        };
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        let context = Tensor::f_scaled_dot_product_attention(
            &query,
            &key,
            &value,
            Some(attended),
            0.0,
            false,
            None,
            false,
        )?;
        Ok(context.f_transpose(1, 2)?.f_flatten(2, 3)?)
    }

    fn randomise(&mut self, stdev: f64, rng: &mut ChaCha8Rng) -> Result<()> {
        let Layer {
            query,
            key,
            value,
            mixed,
            wide,
            narrow,
            ..
        } = self;
        for linear in [query, key, value, mixed, wide, narrow] {
            fill_normal(&mut linear.weight, stdev, rng)?;
            let _ = linear.bias.f_zero_()?;
        }
        self.attention_norm.reset()?;
        self.output_norm.reset()
    }
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(path: &nn::Path<'_>, inputs: i64, outputs: i64) -> Result<Linear> {
        let weight = path.f_zeros("weight", &[outputs, inputs])?;
        Ok(Linear {
            weight,
            bias: path.f_zeros("bias", &[outputs])?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(path: &nn::Path<'_>, config: &Config) -> Result<Norm> {
        let size = [config.hidden_size];
        let weight = path.f_ones("weight", &size)?;
        Ok(Norm {
            weight,
            bias: path.f_zeros("bias", &size)?,
            eps: config.layer_norm_eps,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        Ok(x.f_layer_norm(self.weight.size(), weight, bias, self.eps, true)?)
    }

    fn reset(&mut self) -> Result<()> {
        let _ = self.weight.f_fill_(1.0)?;
        let _ = self.bias.f_zero_()?;
        Ok(())
    }
}

/// Fills `tensor` with normal values: uniform values of `rng`, through the inverse of the normal
/// distribution.
fn fill_normal(tensor: &mut Tensor, stdev: f64, rng: &mut ChaCha8Rng) -> Result<()> {
    // 52 random bits plus one half: the values are symmetric about 0 and never reach -1 or 1, where
    // the inverse is infinite.
    let uniform: Vec<f64> = (0..tensor.numel())
        .map(|_| ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 51) as f64 - 1.0)
        .collect();
    let normal = Tensor::f_from_slice(&uniform)?.f_erfinv()? * (stdev * std::f64::consts::SQRT_2);
    tensor.f_copy_(&normal.f_view(tensor.size().as_slice())?)?;
    Ok(())
}
