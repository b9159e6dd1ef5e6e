"""Goldens of BERT and of text encoding, by transformers: a tiny random BERT, and the MiniLM that
`./just setup` installs."""
from collections import OrderedDict
from pathlib import Path
import json
import numpy as np
import safetensors.torch
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

root = Path(__file__).parent.parent
out = root / "golden" / "bert"
tiny = out / "tiny"
tiny.mkdir(parents=True, exist_ok=True)
torch.manual_seed(20230717)


def pool(hidden, mask):
    weight = mask[..., None].to(hidden.dtype)
    return {"cls": hidden[:, 0], "mean": (hidden * weight).sum(1) / weight.sum(1)}


# The tiny model. Its weights are larger than usual initial weights, so that every part of the
# network changes the result.
words = "the heart is normal no effusion or pneumothorax lung s are clear mild left lower lobe".split()
pieces = "##s ##ed ##al ##ion ##x".split()
rest = list("abcdefghijklmnopqrstuvwxyz.,:()-/0123456789")
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words + pieces
tokens += [t for t in rest if t not in tokens][: 60 - len(tokens)]
assert len(tokens) == len(set(tokens)) == 60
(tiny / "vocab.txt").write_text("\n".join(tokens) + "\n")
(tiny / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "strip_accents": None, "tokenizer_class": "BertTokenizer"}))
written = BertWordPieceTokenizer(str(tiny / "vocab.txt"), lowercase=True)
written.enable_truncation(4)  # the reader must override both settings
written.enable_padding(length=20)
written.save(str(tiny / "tokenizer.json"), pretty=False)

config = BertConfig(
    vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
    max_position_embeddings=24, type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu",
)
model = BertModel(config, add_pooling_layer=False).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.copy_((1.0 if "LayerNorm.weight" in name else 0.0) + 0.25 * torch.randn(p.shape))
# Like published files, config.json has position_embedding_type and many keys that BERT does not
# need.
(tiny / "config.json").write_text(json.dumps(config.to_dict() | {"model_type": "bert", "position_embedding_type": "absolute"}, indent=1))
state = {k: v.clone().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
positions = {"embeddings.position_ids": torch.arange(24)[None]}  # a buffer of older checkpoints
safetensors.torch.save_file({f"bert.{k}": v for k, v in (state | positions).items()} | {"cls.predictions.bias": torch.zeros(60)}, tiny / "model.safetensors", {"format": "pt"})
torch.save(OrderedDict(state | positions), tiny / "pytorch_model.bin")

texts = ["The heart is normal.", "No effusion or pneumothorax; lungs are CLEAR.", "Épanché!", "mild left-lower-lobe effusions [MASK] x 3\n\tno change", "",
         "the heart is normal no effusion or pneumothorax the lungs are clear the heart is normal no effusion"]
tokenizers = {
    True: BertTokenizer(vocab={t: i for i, t in enumerate(tokens)}, do_lower_case=True),
    False: BertTokenizer(vocab={t: i for i, t in enumerate(tokens)}, do_lower_case=False),
}
ids = {low: [t(x, truncation=True, max_length=16)["input_ids"] for x in texts] for low, t in tokenizers.items()}
longest = max(map(len, ids[True]))
batch = torch.tensor([r + [0] * (longest - len(r)) for r in ids[True]])
mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in ids[True]])
golden = {"texts": texts, "max_tokens": 16, "ids": ids[True], "ids_cased": ids[False]}
(out / "tiny.json").write_text(json.dumps(golden))
for act in ("gelu", "gelu_new", "relu"):
    config.hidden_act = act
    again = BertModel(config, add_pooling_layer=False).eval()
    again.load_state_dict(state, strict=False)
    with torch.no_grad():
        hidden = again(input_ids=batch, attention_mask=mask).last_hidden_state
    if act == "gelu":
        # Hidden states at padding are meaningless: set them to zero, as the test does.
        np.save(out / "hidden.npy", (hidden * mask[..., None]).numpy().astype("<f4"))
    for name, vectors in pool(hidden, mask).items():
        np.save(out / f"{name}_{act}.npy", vectors.numpy().astype("<f4"))

# MiniLM: one text at a time, so there is no padding.
folder = root.parent / ".models" / "all-minilm-l6-v2"
texts = [
    "No acute cardiopulmonary process.",
    "The heart is normal in size. The lungs are clear. There is no pleural effusion or pneumothorax.",
    "Moderate right-sided pleural effusion with adjacent atelectasis; cannot exclude superimposed pneumonia (RLL).",
    "1. ET tube 4.2 cm above the carina.\n2. Unchanged cardiomegaly, ___ PACS, naïve café.",
    "",
    "Bibasilar opacities are unchanged, compatible with atelectasis or aspiration in the appropriate setting. " * 12,
]
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
rows = []
for text in texts:
    encoded = tokenizer(text, truncation=True, max_length=200, padding=False, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**encoded).last_hidden_state
    row = {"text": text, "ids": encoded["input_ids"][0].tolist()}
    for name, vector in pool(hidden, encoded["attention_mask"]).items():
        v = vector[0].double().numpy()
        ramp = np.linspace(-1.0, 1.0, len(v))
        row[name] = {"first": v[:8].tolist(), "mean": v.mean(), "rms": np.sqrt((v**2).mean()), "ramp": (v * ramp).mean()}
    rows.append(row)
(out / "minilm.json").write_text(json.dumps({"max_tokens": 200, "rows": rows}, indent=1))
