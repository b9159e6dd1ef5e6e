//! M-FLAG pre-training: projectors, alignment and orthogonality losses, the text cache.
