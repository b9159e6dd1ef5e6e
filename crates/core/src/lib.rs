//! Configuration, run folders, seeds and atomic files of mflag; needs no libtorch.
