//! From data sets to prepared stores, and what can be learned about a store: the library under `mflag-data`.

pub mod inspect;
pub mod prepare;
pub mod verify;
