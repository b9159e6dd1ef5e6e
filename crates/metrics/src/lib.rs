//! Metrics of mflag: retrieval, latent geometry, classification, segmentation, detection, bootstrap; needs no libtorch.
