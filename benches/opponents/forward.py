"""torchvision's ResNet-50 without its classifier, on three-channel films that are already in
memory: in fp32, or in bf16 with autocast and channels-last. Run by a Worker (benches/common.py).

    forward.py BATCH fp32|bf16"""

import sys

import torch
from torchvision.models import resnet50

from common import serve


def main():
    batch, fast = int(sys.argv[1]), sys.argv[2] == "bf16"
    network = resnet50().eval()
    network.fc = torch.nn.Identity()
    films = torch.randint(256, (batch, 1, 224, 224), dtype=torch.uint8)
    if fast:
        network = network.to(memory_format=torch.channels_last)

    def step():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
            x = (films.float() / 127.5 - 1).expand(-1, 3, -1, -1)
            network(x.contiguous(memory_format=torch.channels_last) if fast else x)

    serve(step)


if __name__ == "__main__":
    main()
