//! The subcommands of `mflag-data`, one module each: its arguments, and what it prints.

pub(crate) mod inspect;
pub(crate) mod phantom;
pub(crate) mod prepare;
pub(crate) mod verify;
