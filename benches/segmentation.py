"""Measures one segmentation step of mflag (U-Net on a frozen ResNet-50, 224 px), from the store to
the optimiser, in turns with the same step in Python and with the same kernels in PyTorch alone. The
frozen encoder keeps its BatchNorm statistics."""

from common import head_steps

if __name__ == "__main__":
    head_steps("mflag-segment", "segmentation", "segmentation/siim", "siim", batch=8, **{"encoder.moving_statistics": "false"})
