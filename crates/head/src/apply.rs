//! A trained head inside another program.

use mflag_film::Film;
use tch::Tensor;

use crate::error::Result;
use crate::head::Head;
use crate::model::Model;

impl<H: Head> Model<H> {
    /// Predicts on `films` as one batch. Returns the inputs of the head (see [`Head::inputs`]) and
    /// a prediction per film. Films come from `read` or `decode` of [`Model::preprocess`]; films of
    /// any other size are made square first.
    ///
    /// # Errors
    /// If a film's number of pixels does not match its size, or memory does not suffice.
    pub fn apply(&self, films: &[Film]) -> Result<(Vec<Tensor>, Vec<H::Prediction>)> {
        let network = &self.network;
        network.inference(&self.config.train, || {
            let batch = network.preprocess.batch(films, network.device)?;
            let inputs = H::inputs(network.encoder.features(&batch, false)?);
            let output = network.head.forward(&inputs, false)?;
            let predictions = network.head.predictions(&output)?;
            Ok((inputs, predictions))
        })
    }
}
