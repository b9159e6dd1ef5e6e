//! A trained head inside another program.

use mflag_film::Film;
use tch::Tensor;

use crate::error::Result;
use crate::head::Head;
use crate::model::Model;

impl<H: Head> Model<H> {
    /// What the head reads of films (see [`Head::inputs`]), and what it says of each, all together in one batch. Films come from
    /// `read` or `decode` of [`Model::preprocess`], or are pixels of any size, which become squares.
    ///
    /// # Errors
    /// If a film's pixels do not match its size, or memory does not suffice.
    pub fn apply(&self, films: &[Film]) -> Result<(Vec<Tensor>, Vec<H::Prediction>)> {
        let network = &self.network;
        let precision = self.config.train.precision.resolve(network.device)?;
        precision.inference(network.device, || {
            let batch = network.preprocess.batch(films, network.device)?;
            let inputs = H::inputs(network.encoder.features(&batch, false)?);
            let output = network.head.forward(&inputs, false)?;
            let predictions = network.head.predictions(&output)?;
            Ok((inputs, predictions))
        })
    }
}
