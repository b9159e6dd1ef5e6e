//! End-to-end tests of the mflag binaries live in `tests/`; this library is empty.
