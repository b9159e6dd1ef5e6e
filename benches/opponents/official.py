"""The pre-training step of the published code, rewritten from its description (docs/benchmarks.md):
a frozen BERT-base on every batch, with each report padded to 512 tokens; torchvision's
augmentations in DataLoader workers; the orthogonality loss over the D×D matrix.
Run by a Worker (benches/common.py).

    official.py STORE MODEL BATCH fp32|bf16

bf16 is faster than the published code: it adds autocast, channels-last and fused AdamW."""

import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models import resnet50
from transformers import BertModel, BertTokenizerFast

from common import serve, stored_films


class Pairs(Dataset):
    def __init__(self, store, model):
        self.films = [(film, record["text"]) for film, record in stored_films(store) if record["text"]]
        self.tokenizer = BertTokenizerFast.from_pretrained(model)
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(224),
                transforms.RandomRotation((0, 90)),
                transforms.RandomPerspective(p=0.5, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.RandomAutocontrast(p=0.5),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self):
        return len(self.films)

    def __getitem__(self, index):
        film, text = self.films[index]
        film = Image.fromarray(film).convert("RGB")
        tokens = self.tokenizer(text, padding="max_length", truncation=True, max_length=512, return_tensors="pt")
        return self.transform(film), tokens["input_ids"][0], tokens["attention_mask"][0]


class Flag(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = resnet50()
        self.encoder.fc = nn.Identity()
        self.proj_v = projector(2048)
        self.proj_t = projector(768)

    def forward(self, films, texts):
        pooled = self.encoder(films)
        return pooled, self.proj_v(pooled), self.proj_t(texts)


def projector(width):
    return nn.Sequential(
        nn.Linear(width, 2048), nn.BatchNorm1d(2048), nn.ReLU(), nn.Linear(2048, 1024), nn.BatchNorm1d(1024, affine=False)
    )


def losses(pooled, v, t):
    v, t = nn.functional.normalize(v.float(), dim=-1), nn.functional.normalize(t.float(), dim=-1)
    align = (4 - 4 * (v * t).sum(-1)).mean()
    x = pooled.float()
    c = x.T @ x / len(x)
    diagonal = torch.diagonal(c)
    orth = ((diagonal - 1) ** 2).sum() + 0.0051 * ((c**2).sum() - (diagonal**2).sum())
    return align + 0.5 * orth


def endless(loader):
    while True:
        yield from loader


def main():
    store, model, batch, precision = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    torch.manual_seed(0)
    fast = precision == "bf16"
    bert = BertModel.from_pretrained(model, add_pooling_layer=False).eval()
    for parameter in bert.parameters():
        parameter.requires_grad = False
    network = Flag()
    if fast:
        network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-5, weight_decay=0.05, fused=fast)
    # More workers would take cores from the compute threads.
    loader = DataLoader(Pairs(store, model), batch, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    batches = endless(loader)

    def step():
        films, ids, mask = next(batches)
        if fast:
            films = films.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16) if fast else nullcontext():
            texts = bert(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
            latents = network(films, texts)
        loss = losses(*latents)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    serve(step)


if __name__ == "__main__":
    main()
