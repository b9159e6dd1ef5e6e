"""Writes small copies of other programs' checkpoints into tests/golden/layouts, with torch.save.

A copy has the original's names, nesting and shapes. To stay at a few kilobytes, every tensor is one
number, expanded to the tensor's shape. The number follows from the tensor's name (`number`), so a
test knows which value belongs to which name.

Run: python tests/oracle/layouts.py
"""

import pathlib

import timm
import torch
import torchvision
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

OUT = pathlib.Path(__file__).parent.parent / "golden" / "layouts"
STEPS = 251
NUMBERS = torch.arange(STEPS, dtype=torch.float32) / 64


def number(name):
    """The index in NUMBERS of the tensor with this name."""
    return sum((i + 1) * byte for i, byte in enumerate(name.encode())) % STEPS


def small(state):
    """The same names and shapes, with all tensors in one storage."""
    floating = {name: NUMBERS[number(name)].expand(value.shape) for name, value in state.items() if value.is_floating_point()}
    return state | floating


def under(prefix, module):
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


def resnet50():
    net = torchvision.models.resnet50()
    net.fc = torch.nn.Identity()
    return net


def projector(width, output, convolution=False):
    layer = (lambda a, b: torch.nn.Conv1d(a, b, 1)) if convolution else torch.nn.Linear
    plain = torch.nn.BatchNorm1d(output, affine=False)
    return torch.nn.Sequential(layer(width, 2048), torch.nn.BatchNorm1d(2048), torch.nn.ReLU(), layer(2048, output), plain)


def m_flag():
    """The authors' `…_total.pth`: encoder, two projectors and CXR-BERT."""
    text = BertForMaskedLM(BertConfig(vocab_size=30522))
    state = under("encoder.", resnet50()) | under("proj_v.", projector(2048, 1024)) | under("proj_t.", projector(768, 1024))
    return small(state | under("lm_model.", text))


def mgca():
    """A Lightning checkpoint of MGCA's ResNet-50."""
    attention = torch.nn.MultiheadAttention(128, 1, batch_first=True)
    state = under("img_encoder_q.model.", resnet50())
    state |= under("img_encoder_q.global_embed.head.", projector(2048, 128))
    state |= under("img_encoder_q.local_embed.head.", projector(1024, 128, convolution=True))
    state |= under("text_encoder_q.model.", BertModel(BertConfig(vocab_size=28996), add_pooling_layer=False))
    state |= under("text_encoder_q.global_embed.head.", projector(768, 128))
    state |= under("text_encoder_q.local_embed.head.", projector(768, 128, convolution=True))
    state |= under("patch_local_atten_layer.", attention) | under("word_local_atten_layer.", attention)
    state |= under("prototype_layer.", torch.nn.Linear(128, 500, bias=False))
    return {
        "epoch": 20,
        "global_step": 30000,
        "pytorch-lightning_version": "1.6.4",
        "state_dict": small(state),
        "callbacks": {"EarlyStopping": {"wait_count": 5, "best_score": torch.tensor(1.5)}},
        "optimizer_states": [{"state": {0: {"step": 7, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 2e-5, "params": [0]}]}],
        "hyper_parameters": {"img_encoder": "resnet_50", "emb_dim": 128},
    }


def benchx():
    """A fine-tuned classifier of BenchX."""
    state = under("cnn.model.", resnet50()) | under("classifier.classifier.", torch.nn.Linear(2048, 14))
    return {"model": small(state), "scaler": {"scale": 65536.0}}


def convirt():
    return small(under("visual.model.", resnet50()) | under("linguistic.encoder.", BertModel(BertConfig(num_hidden_layers=2))))


def gloria():
    state = under("gloria.img_encoder.model.", resnet50())
    return {"state_dict": small(state | under("gloria.img_encoder.global_embedder.", torch.nn.Linear(2048, 768)))}


def medclip():
    net = torchvision.models.resnet50()
    net.fc = torch.nn.Linear(2048, 512, bias=False)
    return small(under("vision_model.model.", net) | {"logit_scale": torch.tensor(1.0)})


def numbered(children):
    """The first children of a torchvision ResNet in a Sequential, which names them by number."""
    return torch.nn.Sequential(*list(torchvision.models.resnet50().children())[:children])


FILES = {
    "torchvision_resnet50.pth": lambda: small(torchvision.models.resnet50().state_dict()),
    "timm_resnet50.pth": lambda: small(timm.create_model("resnet50").state_dict()),
    "timm_resnet50d.pth": lambda: small(timm.create_model("resnet50d").state_dict()),
    "timm_resnext50.pth": lambda: small(timm.create_model("resnext50_32x4d").state_dict()),
    "torchvision_wide_resnet50_2.pth": lambda: small(torchvision.models.wide_resnet50_2().state_dict()),
    "mflag_encoder.pth": lambda: small(resnet50().state_dict()),
    "mflag_total.pth": m_flag,
    "mgca_resnet50.ckpt": mgca,
    "benchx_classifier.pth": benchx,
    "convirt.pth": convirt,
    "gloria.ckpt": gloria,
    "medclip_resnet50.bin": medclip,
    "numbered_resnet50.pth": lambda: small(under("module.backbone.", numbered(-1))),
    "medklip.pth": lambda: {"model": small(under("module.res_features.", numbered(-3)))},
    "bert_masked.bin": lambda: small(BertForMaskedLM(BertConfig(num_hidden_layers=2)).state_dict()),
    "bert_pretraining.bin": lambda: small(BertForPreTraining(BertConfig(num_hidden_layers=2)).state_dict()),
    "bert_plain.bin": lambda: small(BertModel(BertConfig(num_hidden_layers=2)).state_dict()),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        # The legacy format is smaller: it has no archive entry per tensor.
        torch.save(make(), OUT / name, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
