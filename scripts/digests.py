#!/usr/bin/env python3
"""Prints a digest of each file that the programs write. A refactoring must leave them equal.

    ./just build && scripts/digests.py > before.txt
    (change the code)
    ./just build && scripts/digests.py > after.txt
    diff before.txt after.txt

The release binaries run on small phantoms, on one thread of the CPU. They write phantoms of every
layout, their prepared stores, a pre-training, a run of each head, zero-shot scores, retrieved films
and reports, an exported encoder, an experiment and HTML reports. Each line of the output is
`digest  name`, sorted by name, so `diff` names what changed.

A change that only moves or renames code must leave all lines equal. A change that renames a key or
a file on purpose changes the lines of that key or file, and no others. Make both outputs on one
machine with one libtorch: floating-point sums differ between processors.

Three things are left out: what differs between two runs of the same binaries (clocks, and the
length of metrics.jsonl, which holds clocks); what differs between two commits (versions, the
commit, digests of files that hold it); and sentences (what programs print for people, and the prose
of the model card and of the ONNX file). HTML reports have a second line, `numbers`, which stays
equal where only their words changed.

The script takes about two minutes and needs 2.5 GB in a temporary folder. With `--work DIR`, the
files are written into DIR and kept, so that you can compare the files of two runs.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The command lines. {names} are filled in by `Programs.run`, which may add further arguments.
COMMANDS = {
    "phantom": "mflag-data phantom --as {layout} --out {out}",
    "prepare": "mflag-data prepare {layout} --side 72 --root {root} --out {out}",
    "inspect": "mflag-data inspect --json --store {store} --sheet {sheet}",
    "verify": "mflag-data verify --json",
    "pretrain": "mflag-pretrain train --config configs/pretrain/demo.yaml --run {run}",
    "train": "{program} train --config {config} --run {run}",
    "evaluate": "{program} eval --model {run} --split validate --out {out}",
    "predict": "{program} predict --model {run} --overlays --out {out}",
    "zero-shot": "mflag-pretrain zero-shot --run {run} --store {store} --split validate"
    " --prompts configs/zero-shot/phantoms.yaml --out {out}",
    "retrieve": "mflag-pretrain retrieve --json --run {run} --store {store}",
    "export": "mflag-pretrain export --run {run} --format safetensors --format onnx --out {out}",
    "experiment": "mflag-experiments run {file}",
    "report": "mflag-report {folder} --out {out}",
}
# Flags of the programs that compute without a training configuration.
ON_ONE_THREAD = ["--device", "cpu", "--threads", "1"]
PROGRAMS = [
    "mflag-classify",
    "mflag-data",
    "mflag-detect",
    "mflag-experiments",
    "mflag-pretrain",
    "mflag-report",
    "mflag-segment",
]

# Phantoms by layout, with their flags. Pre-training reads mimic, the heads read manifest.
PHANTOMS = {
    "mimic": "--films 48 --side 96 --validate 0.25 --test 0.2",
    "chexpert": "--films 24 --side 96 --test 0.2",
    "nih": "--films 24 --test 0.2",
    "rsna": "--films 24",
    "siim": "--films 24",
    "object-cxr": "--films 24 --side 128 --validate 0.2 --test 0.2",
    "manifest": "--films 60 --side 96 --validate 0.2 --test 0.3",
}
# Further stores by name: the phantom, and flags that take other paths through the readers.
MORE_STORES = {
    "mimic-patient": ("mimic", "--split patient --views pa --text optional"),
    "chexpert-mgca": ("chexpert", "--split mgca --validate 0.2 --fit crop"),
    "nih-patient": ("nih", "--split patient --seed 3"),
    "rsna-patient-16": ("rsna", "--split patient --depth 16 --window percentile:1,99"),
    "siim-mgca-balanced": ("siim", "--split mgca --balance"),
    "object-cxr-official": ("object-cxr", "--split official"),
}
# Keys of every training.
SMALL = {
    "data.side": 64,
    "data.resize": 72,
    "data.num_workers": 1,
    "train.batch_size": 8,
    "train.device": "cpu",
    "train.epochs": 2,
    "train.log_every": 2,
    "train.precision": "fp32",
    "train.threads": 1,
}
PRETRAIN = {
    # With this seed the first epoch is better than the untrained encoder, and is exported.
    "train.seed": 3,
    "data.store": "stores/mimic",
    "text.model": ".models/all-minilm-l6-v2",
    "text.cache": "text-cache",
}
FINDINGS = ("mflag-classify", "configs/classification/findings.yaml")
MASKS = ("mflag-segment", "configs/segmentation/masks.yaml")
BOXES = ("mflag-detect", "configs/detection/boxes.yaml")
AUGMENT = {
    "augment.crop": "true",
    "augment.rotation.from": -10,
    "augment.rotation.to": 10,
    "augment.shift": 0.1,
    "augment.scale": 0.1,
    "augment.flip": 0.5,
    "augment.perspective": "{distortion: 0.1, probability: 0.5}",
    "augment.autocontrast": 0.5,
    "augment.jitter": "{brightness: 0.2, contrast: 0.2, probability: 0.5}",
    "augment.blur": "{from: 0.1, to: 1.0, probability: 0.5}",
}
CLASSES = "[Consolidation, Lung Opacity]"
# Runs of heads: program, configuration and the keys that differ from it. Each head has one run on
# cached features and one on augmented films.
HEADS = {
    "findings": (*FINDINGS, {}),
    "findings-classes": (
        *FINDINGS,
        AUGMENT | {"head.task": "multi_class", "head.labels": CLASSES},
    ),
    "masks": (*MASKS, {}),
    "masks-trained": (
        *MASKS,
        AUGMENT
        | {"encoder.frozen": "false", "head.loss": "dice_bce", "head.unmarked": "negative"},
    ),
    "boxes": (*BOXES, {}),
    "boxes-classes": (
        *BOXES,
        AUGMENT
        | {"head.classes": CLASSES, "head.anchors": "coco", "head.unmarked": "negative"},
    ),
}
# Film files that the heads predict on: two of each format.
PREDICTED = {"manifest/films": "*.jpg", "nih": "*.png", "rsna": "*.dcm"}
PRETRAINED = "runs/pretraining"
HEAD = {
    "data.store": "stores/manifest",
    "encoder.weights": f"{PRETRAINED}/encoder.safetensors",
}
EXPERIMENT = {
    "title": "Two encoders",
    "runs": "experiment",
    "tasks": [
        {
            "name": "Opacities, Dice",
            "program": MASKS[0],
            "config": MASKS[1],
            "metric": "dice",
            "set": SMALL | {"data.store": "stores/manifest", "train.epochs": 1},
        }
    ],
    "encoders": [
        {"name": "Random", "set": {"encoder.arch": "resnet18"}},
        {"name": "M-FLAG", "weights": HEAD["encoder.weights"]},
    ],
    "fractions": [0.5, 1.0],
    "seeds": [0],
    "compare": [
        {"encoder": "M-FLAG", "fraction": 0.5, "than": "Random", "than_fraction": 1.0}
    ],
}
TABLES = ["results.md", "results.csv", "differences.csv", "published.csv", "runs.csv"]

# Keys whose values differ between two runs or two commits: in metrics.jsonl, in weight files and in
# provenance.json.
CLOCKS = ["samples_per_second", "outside_share"]
VARYING_METADATA = [
    "provenance.mflag",
    "provenance.git",
    "provenance.libraries",
    "mflag.config",
    "mflag.counters.metrics_bytes",
]
VARYING_PROVENANCE = {
    "mflag": "0",
    "libraries": {},
    "git": None,
    "working_dir_git": None,
    "started": 0,
    "processors": 1,
}
# Fields of ONNX's ModelProto: version of the program, a sentence, metadata.
ONNX_VERSION, ONNX_WORDS, ONNX_METADATA = 3, 6, 14


class Programs:
    """Runs the binaries in the folder `work` with relative paths, so no output names it."""

    def __init__(self, binaries, work):
        self.binaries, self.work = binaries, work
        threads = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.environment = os.environ | threads
        missing = [name for name in PROGRAMS if not (binaries / name).exists()]
        if missing:
            sys.exit(f"{binaries} lacks {', '.join(missing)}: run `./just build`")

    def run(self, command, *more, **values):
        """Runs one of COMMANDS and returns its standard output."""
        words = [word.format(**values) for word in shlex.split(COMMANDS[command])]
        words += [str(word) for word in more]
        begin = time.monotonic()
        ended = subprocess.run(
            [self.binaries / words[0], *words[1:]],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
        )
        seconds = time.monotonic() - begin
        print(f"{seconds:5.1f} s  {shlex.join(words)}"[:150], file=sys.stderr)
        if ended.returncode != 0:
            error = ended.stderr.decode(errors="replace")
            sys.exit(f"{shlex.join(words)}\nended with code {ended.returncode}:\n{error}")
        return ended.stdout


class Digests:
    """Collects digests by name."""

    def __init__(self, work):
        self.work, self.lines = work, {}

    def add(self, name, content):
        """Adds bytes, text, or anything that JSON can hold."""
        if not isinstance(content, (bytes, str)):
            content = json.dumps(content, sort_keys=True)
        if isinstance(content, str):
            content = content.encode()
        if name in self.lines:
            sys.exit(f"two digests have the name {name}")
        self.lines[name] = hashlib.sha256(content).hexdigest()

    def file(self, name):
        self.add(name, (self.work / name).read_bytes())

    def each_file(self, folder):
        """Adds a line for each file in and below a folder."""
        for name in files(self.work / folder):
            self.file(f"{folder}/{name}")

    def folder(self, folder):
        """Adds one line for all files in and below a folder."""
        path = self.work / folder
        self.add(folder, {name: sha256(path / name) for name in files(path)})

    def metrics(self, run):
        """Adds metrics.jsonl, without the values that depend on time."""
        lines = read_metrics(self.work / run)
        kept = [{k: v for k, v in line.items() if k not in CLOCKS} for line in lines]
        self.add(f"{run}/metrics.jsonl", kept)

    def safetensors(self, name):
        """Adds the tensors, and each part of the metadata."""
        header, values = read_safetensors(self.work / name)
        self.metadata(name, header.pop("__metadata__", {}))
        tensors = {}
        for tensor, about in header.items():
            begin, end = about.pop("data_offsets")
            tensors[tensor] = about | {"values": hashlib.sha256(values[begin:end]).hexdigest()}
        self.add(f"{name} tensors", tensors)

    def onnx(self, name):
        """Adds the graph of an ONNX file, and each part of its metadata."""
        fields = list(protobuf_fields((self.work / name).read_bytes()))
        left_out = (ONNX_VERSION, ONNX_WORDS, ONNX_METADATA)
        kept = [field for field in fields if field[0] not in left_out]
        self.add(f"{name} graph", repr(kept))
        entries = [value for number, value in fields if number == ONNX_METADATA]
        pairs = [dict(protobuf_fields(entry)) for entry in entries]
        self.metadata(name, {pair[1].decode(): pair[2].decode() for pair in pairs})

    def metadata(self, name, metadata):
        """Adds a line for each key, and for each key of a value that is a JSON object."""
        for key, text in metadata.items():
            value = parsed(text)
            if isinstance(value, dict):
                value = without_varying(value, key)
                for below, part in value.items():
                    self.add(f"{name} metadata {key}.{below}", part)
            else:
                self.add(f"{name} metadata {key}", text)

    def show(self):
        for name in sorted(self.lines):
            print(f"{self.lines[name]}  {name}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder):
    """Returns the names of all files in and below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def parsed(text):
    """Returns the value of a JSON text, or the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def without_varying(value, key):
    """A copy of the JSON value at the dotted name `key`, without the keys in VARYING_METADATA."""
    if not isinstance(value, dict):
        return value
    return {
        name: without_varying(below, f"{key}.{name}")
        for name, below in value.items()
        if f"{key}.{name}" not in VARYING_METADATA
    }


def read_metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def read_safetensors(path):
    """Returns the header and the bytes of the tensors."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def protobuf_fields(message):
    """Number and value of each field of a message whose fields are integers or bytes."""

    def varint(place):
        value = shift = 0
        while True:
            byte = message[place]
            value |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                return value, place

    place = 0
    while place < len(message):
        tag, place = varint(place)
        value, place = varint(place)
        if tag & 7 == 2:
            length, begin = value, place
            place = begin + length
            value = message[begin:place]
        elif tag & 7 != 0:
            sys.exit(f"protobuf: field {tag >> 3} has type {tag & 7}, which is not handled")
        yield tag >> 3, value


def settings(*groups):
    """Configuration keys as arguments."""
    pairs = [f"{key}={value}" for group in groups for key, value in group.items()]
    return [word for pair in pairs for word in ("--set", pair)]


def data(programs, digests):
    """Phantoms of every layout, their stores, and what is counted and drawn of them."""
    stores = {layout: (layout, "") for layout in PHANTOMS} | MORE_STORES
    for layout, flags in PHANTOMS.items():
        phantom = f"phantoms/{layout}"
        programs.run("phantom", *flags.split(), layout=layout, out=phantom)
        digests.folder(phantom)
    for name, (layout, flags) in stores.items():
        root, store = f"phantoms/{layout}", f"stores/{name}"
        programs.run("prepare", *flags.split(), layout=layout, root=root, out=store)
        digests.each_file(store)
    for layout in PHANTOMS:
        sheet = f"sheets/{layout}.png"
        (programs.work / "sheets").mkdir(exist_ok=True)
        counts = programs.run("inspect", store=f"stores/{layout}", sheet=sheet)
        digests.add(f"sheets/{layout}.json", counts)
        digests.file(sheet)
    digests.add("verify.json", programs.run("verify", "stores/mimic", "stores/manifest"))


def pretraining(programs, digests):
    """A pre-training."""
    programs.run("pretrain", *settings(SMALL, PRETRAIN), run=PRETRAINED)
    digests.each_file(PRETRAIN["text.cache"])
    digests.file(f"{PRETRAINED}/config.yaml")
    digests.metrics(PRETRAINED)
    for name in ("encoder", "best", "last"):
        digests.safetensors(f"{PRETRAINED}/{name}.safetensors")


def heads(programs, digests):
    """A run of each head, its evaluation on two splits and its predictions on film files."""
    films = [
        film
        for phantom, pattern in PREDICTED.items()
        for film in film_files(programs.work, phantom, pattern, 2)
    ]
    for name, (program, config, more) in HEADS.items():
        run, keys = f"runs/{name}", settings(SMALL, HEAD, more)
        programs.run("train", *keys, program=program, config=config, run=run)
        digests.file(f"{run}/config.yaml")
        digests.metrics(run)
        digests.safetensors(f"{run}/model.safetensors")
        digests.each_file(f"{run}/test")
        uses = {"program": program, "run": run}
        programs.run("evaluate", *ON_ONE_THREAD, **uses, out=f"validate/{name}")
        digests.each_file(f"validate/{name}")
        programs.run("predict", *ON_ONE_THREAD, *films, **uses, out=f"predict/{name}")
        digests.each_file(f"predict/{name}")


def film_files(work, phantom, pattern, number):
    """The first film files of a phantom, as paths relative to `work`."""
    found = sorted((work / "phantoms" / phantom).rglob(pattern))[:number]
    if len(found) < number:
        sys.exit(f"phantoms/{phantom} has {len(found)} files {pattern}, {number} are needed")
    return [film.relative_to(work) for film in found]


def encoder_uses(programs, digests):
    """Zero-shot scores, retrieval and export of the pre-training."""
    uses = {"run": PRETRAINED, "store": PRETRAIN["data.store"]}
    programs.run("zero-shot", *ON_ONE_THREAD, **uses, out="zero-shot")
    digests.each_file("zero-shot")
    film = film_files(programs.work, "mimic", "*.jpg", 1)[0]
    for flag, question in {"--text": "Large left pleural effusion.", "--film": film}.items():
        found = programs.run("retrieve", *ON_ONE_THREAD, flag, question, **uses)
        digests.add(f"retrieve {flag}", found)
    programs.run("export", run=PRETRAINED, out="export")
    digests.safetensors("export/encoder.safetensors")
    digests.onnx("export/encoder.onnx")
    digests.add("export/MODEL_CARD.md tables", card_tables(programs.work / "export/MODEL_CARD.md"))


def card_tables(card):
    """The rows of a model card's tables, without versions and the sentences about files."""
    left_out = re.compile(r"\| (mflag|git|libraries|`encoder)\b")
    rows = [line for line in card.read_text().splitlines() if line.startswith("|")]
    return [row for row in rows if not left_out.match(row)]


def experiment(programs, digests):
    """An experiment of four cells."""
    # JSON is YAML.
    (programs.work / "experiment.yaml").write_text(json.dumps(EXPERIMENT))
    programs.run("experiment", file="experiment.yaml")
    for table in TABLES:
        digests.file(f"{EXPERIMENT['runs']}/{table}")


def reports(programs, digests):
    """HTML reports of the pre-training, of two heads and of the experiment."""
    for run in (PRETRAINED, "runs/findings", "runs/masks"):
        steady_copy(programs.work / run, programs.work / f"reports/{run}")
        report(programs, digests, f"reports/{run}")
    report(programs, digests, EXPERIMENT["runs"])


def report(programs, digests, folder):
    page = f"{folder}.html"
    programs.run("report", folder=folder, out=page)
    html = (programs.work / page).read_text()
    html = re.sub(r"Written by mflag [0-9.]+[0-9]", "Written by mflag", html)
    digests.add(page, html)
    digests.add(f"{page} numbers", re.findall(r"-?[0-9]+(?:\.[0-9]+)?", body(html)))


def body(html):
    """Returns the body of a page without its script."""
    return re.sub(r"<script\b.*?</script>", "", html[html.index("<body") :], flags=re.DOTALL)


def steady_copy(run, copy):
    """Copies a run and puts fixed values in place of clocks, versions and the command line."""
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.safetensors", "*.html"))
    provenance = json.loads((run / "provenance.json").read_text())
    program = Path(provenance["command"][0]).name
    provenance |= VARYING_PROVENANCE | {"command": [program, "train"]}
    # The encoder's file holds the commit.
    provenance["digests"].pop("encoder", None)
    (copy / "provenance.json").write_text(json.dumps(provenance))
    lines = read_metrics(run)
    for line in lines:
        line |= {clock: 0.5 for clock in CLOCKS if clock in line}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (copy / "metrics.jsonl").write_text(text)


def demo(folder, digests):
    """Adds the tables that an earlier `./just demo` has written."""
    for table in TABLES:
        path = folder / table
        if path.exists():
            digests.add(f"demo/{table}", path.read_bytes())


def prepare_work(work):
    """Makes the folder, with links to the configurations and models that command lines name."""
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        sys.exit(f"{work} is not empty: name another folder, or remove it")
    for name in ("configs", ".models"):
        (work / name).symlink_to(ROOT / name)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--binaries",
        type=Path,
        default=ROOT / "target/release",
        metavar="DIR",
        help="folder of the release binaries [default: target/release]",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="empty folder to write into, which is kept [default: a temporary one]",
    )
    parser.add_argument(
        "--demo",
        type=Path,
        nargs="?",
        const=ROOT / "runs/demo/tables",
        metavar="DIR",
        help="also read the tables of `./just demo` in this folder [without DIR: runs/demo/tables]",
    )
    return parser.parse_args()


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        programs, digests = Programs(options.binaries.resolve(), work), Digests(work)
        prepare_work(work)
        for part in (data, pretraining, heads, encoder_uses, experiment, reports):
            part(programs, digests)
        if options.demo:
            demo(options.demo, digests)
        digests.show()


if __name__ == "__main__":
    main()
