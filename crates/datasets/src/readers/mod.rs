//! One reader a data set.

pub mod chexpert;
pub mod manifest;
pub mod mimic;
pub mod nih;
pub mod object_cxr;
pub mod rsna;
pub mod siim;
pub mod vindr;
