//! The metrics of mflag: plain functions on arrays, each with its definition, its range and a golden against the
//! reference that the field uses. Needs no libtorch.

pub mod latent;
pub mod retrieval;
