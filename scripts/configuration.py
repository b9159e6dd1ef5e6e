"""Writes docs/configuration.md from the committed schemas; --check only tests if it is current."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs/configuration.md"
PROGRAMS = {
    "pretraining": ("mflag-pretrain", "pretrain"),
    "classification": ("mflag-classify", "classification"),
    "segmentation": ("mflag-segment", "segmentation"),
    "detection": ("mflag-detect", "detection"),
    "experiments": ("mflag-experiments", "experiments"),
}
HEAD = """# Configuration

`scripts/configuration.py` writes this page from the schemas in `configs/` (`./just schema`). To
change a description, change the doc comment in the source.

A configuration is a YAML file: `--config FILE`. With `extends: other.yaml`, the file starts from
all values of another file. `--set section.key=value` overrides a single value; you may repeat it. A
key that you do not set has its default value. Unknown keys, wrong types and values out of range are
refused, and the error message names the nearest valid key.

Paths are relative to the folder in which you run the command; the path of `extends` is relative to
the folder of its file. The line `# yaml-language-server: $schema=../pretrain/schema.json` at the
top of a file lets an editor check and complete it.
"""


def kind(schema):
    """Describes the allowed values in words."""
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return ", ".join(dict.fromkeys(kind(one) for one in schema[several]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in schema["enum"])
    types = schema.get("type", "any value")
    if isinstance(types, list):
        return " or ".join(kind(schema | {"type": one}) for one in types)
    if types == "array":
        return f"list of {kind(schema.get('items', {}))}"
    names = {
        "string": "text",
        "integer": "whole number",
        "boolean": "`true`, `false`",
        "null": "absent",
        "object": "keys and values",
    }
    choice = re.fullmatch(r"\^\((.*)\)\$", schema.get("pattern", ""))
    if choice:
        return ", ".join(f"`{one.replace('[0-9]+', 'N')}`" for one in choice[1].split("|"))
    words = names.get(types, types)
    if types in ("integer", "number"):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and high is not None:
            words += f", {low:g} to {high:g}"
        elif low is not None:
            words += f", {low:g} or more"
    return words


def cell(text):
    return " ".join(text.replace("|", "\\|").split())


def is_section(schema):
    return "properties" in schema


def rows(schema, prefix, required=()):
    """Yields a table row for each key; keys of nested sections are written `section.key`."""
    for name, value in schema["properties"].items():
        key = f"{prefix}{name}"
        items = value.get("items", {})
        choices = [c for c in value.get("anyOf", value.get("oneOf", [])) if is_section(c)]
        if is_section(value):
            yield from rows(value, f"{key}.", value.get("required", ()))
            continue
        of_choice = schema.get("description", "") if "const" in value else ""
        description = cell(value.get("description", of_choice))
        default = ""
        if name in required and "const" not in value:
            default = "required"
        elif value.get("default") is not None:
            default = f"`{json.dumps(value['default'])}`"
        described = [c for c in value.get("oneOf", []) if "description" in c and not is_section(c)]
        options = [f"{kind(c)}: {cell(c['description'])}" for c in described]
        if options:
            description += " " + " ".join(options)
        yield f"| `{key}` | {kind(value)} | {default} | {description} |"
        if is_section(items):
            yield from rows(items, f"{key}[].", items.get("required", ()))
        for choice in choices:
            yield from rows(choice, f"{key}.", choice.get("required", ()))


def document():
    parts = [HEAD]
    for title, (program, folder) in PROGRAMS.items():
        schema = json.loads((ROOT / "configs" / folder / "schema.json").read_text())
        parts.append(f"## {title.capitalize()}\n\n`{program}`; examples in `configs/{folder}/`.\n")
        table = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
        table += rows(schema, "", schema.get("required", ()))
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def main():
    text = document()
    if "--check" in sys.argv:
        if not OUT.exists() or OUT.read_text() != text:
            sys.exit("docs/configuration.md is out of date: run `./just schema`")
        return
    OUT.write_text(text)


if __name__ == "__main__":
    main()
