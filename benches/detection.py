"""One detection step (YOLOv3 on a frozen ResNet-50, 224 px) end to end, in turns with the same in Python and with the bare kernels.
RSNA's features would not fit into memory, so ours encodes each film in each step here, too."""

from common import head_steps

if __name__ == "__main__":
    head_steps("mflag-detect", "detection", "detection/mgca-rsna", "rsna", batch=16, **{"data.keep_features": 0})
