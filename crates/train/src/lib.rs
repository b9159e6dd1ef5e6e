//! Device and precision, AdamW, schedules, checkpoints, sinks and the training loop shared by pre-training and the heads.
