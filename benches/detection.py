"""Measures one detection step of mflag (YOLOv3 on a frozen ResNet-50, 224 px), from the store to the
optimiser, in turns with the same step in Python and with the same kernels in PyTorch alone. mflag
encodes each film in each step here, because RSNA's features would not fit into memory. The frozen
encoder keeps its BatchNorm statistics."""

from common import head_steps

if __name__ == "__main__":
    head_steps("mflag-detect", "detection", "detection/mgca-rsna", "rsna", batch=16, **{"data.feature_cache_mib": 0, "encoder.moving_statistics": "false"})
