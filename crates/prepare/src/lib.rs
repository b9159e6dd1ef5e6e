//! Prepares data sets into stores, and checks and inspects the stores: the library of `mflag-data`.

pub mod inspect;
pub mod prepare;
pub mod verify;
