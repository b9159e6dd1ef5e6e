//! Data sets, reports, the prepared store, augmentation, the loader and phantoms of mflag; needs no libtorch.
