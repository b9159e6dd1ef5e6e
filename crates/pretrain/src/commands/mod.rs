//! The subcommands of `mflag-pretrain`, one per file.

pub(crate) mod encode_text;
pub(crate) mod export;
pub(crate) mod retrieve;
pub(crate) mod schema;
pub(crate) mod train;
pub(crate) mod zero_shot;
