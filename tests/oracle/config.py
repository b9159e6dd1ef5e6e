"""Goldens of the check of configurations: overrides of one key each, and whether the package
`jsonschema` accepts them. The schemas are those of configs/, so `just schema` comes first."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
OUT = ROOT / "tests" / "golden" / "config"
VALUES = [None, True, -1, 0, 1, 7, 5000, 10**9, -0.5, 0.25, 1.5, "", "x", "cpu", "cuda:3", "cuda:x", [], [0.5], [0.5, 0.5], ["x"], {}, {"x": 1}]


def keys(schema):
    """Dotted keys of all values, each with the keys that have to stand beside it: variants have a `kind`."""
    for name, value in schema.get("properties", {}).items():
        yield [name], {}
        variants = [v for v in value.get("oneOf", []) if "properties" in v]
        for variant in [value, *variants]:
            kind = variant.get("properties", {}).get("kind", {}).get("const")
            beside = {"kind": kind} if kind else {}
            for path, inner in keys(variant):
                if path != ["kind"]:
                    yield [name, *path], inner or beside


def override(path, beside, value):
    for key in reversed(path[1:]):
        value = {key: value}
        if key == path[-1]:
            value |= beside
    return {path[0]: value}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name in ["pretrain", "classification"]:
        validator = Draft202012Validator(json.loads((ROOT / f"configs/{name}/schema.json").read_text()))
        lines = []
        for path, beside in keys(validator.schema):
            accepted = [i for i, value in enumerate(VALUES) if validator.is_valid(override(path, beside, value))]
            lines.append({"path": path, "beside": beside, "accepted": accepted})
        values = json.dumps(VALUES)
        rows = ",\n  ".join(json.dumps(line) for line in lines)
        (OUT / f"{name}.json").write_text(f'{{"values": {values},\n "keys": [\n  {rows}\n ]}}\n')


if __name__ == "__main__":
    main()
