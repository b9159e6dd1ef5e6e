//! Prepares data sets into stores, and checks and inspects the stores: the library of `mflag-data`.
//! A store is a folder that holds the films of one data set as squares of one size, with their
//! labels, boxes, masks and texts.

pub mod inspect;
pub mod prepare;
pub mod verify;
