"""Measures one segmentation step (U-Net on a frozen ResNet-50, 224 px) end to end, in turns with
the same step in Python and with the bare kernels."""

from common import head_steps

if __name__ == "__main__":
    head_steps("mflag-segment", "segmentation", "segmentation/siim", "siim", batch=8)
