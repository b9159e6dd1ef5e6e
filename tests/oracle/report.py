"""Goldens of report cleaning: the rules of report_text.rs, written a second time as regular
expressions, on made-up reports."""
from pathlib import Path
import json
import re

HEAD = re.compile(r"(?=[^:]{2,60}:)(?=[^:a-z]*[A-Z][^:]*[A-Z])([A-Z][A-Z0-9 ()/,&'#_-]*):(.*)")
NAMES = [
    (r"impression|conclusion", "impression"), (r"finding", "findings"), (r"history|clinical information", "history"),
    (r"comparison|reference exam", "comparison"), (r"addendum", "addendum"), (r"indication|reason for", "indication"),
    (r"exam", "examination"), (r"technique", "technique"), (r"recommendation", "recommendations"),
    (r"wet ?read", "wet read"), (r"chest|portable| view|pa and lat|ap and lat|frontal", "findings"),
]
LIKE = {"‘": "'", "’": "'", "“": '"', "”": '"', "−": "-", "•": "*", "×": "x", "_": " ", "\ufffd": " ",
        **{chr(c): "-" for c in range(0x2010, 0x2016)}}


def sections(raw):
    found = [["preamble", []]]
    for line in map(str.strip, re.split(r"\r\n|\r|\n", raw)):
        m = HEAD.fullmatch(line)
        if line == "FINAL REPORT":
            found.append(["preamble", []])
        elif m and not re.match(r"[^:]*\d:\d", line):
            head = " ".join(m[1].lower().split())
            found.append([next((name for part, name in NAMES if re.search(part, head)), head), [m[2].strip()]])
        else:
            found[-1][1].append(line)
    found = [(name, "\n".join(lines).strip()) for name, lines in found]
    return [s for s in found if s[0] != "preamble" or s[1]]


def tidy(text):
    text = "".join(LIKE.get(c, " " if c.isspace() or ord(c) < 32 or 127 <= ord(c) < 160 else c) for c in text)
    text = " ".join(text.encode("ascii", "ignore").decode().split())
    text = re.sub(r" (?=[,;:]|\.(?!\d))", "", text)
    kept, number = [], None
    for sentence in re.split(r"(?<=[A-Za-z])\.|\.(?!\d)", text):
        sentence = sentence.strip(" ,;:-*")
        m = re.fullmatch(r"(?:(.*) )?(\d{1,2})", sentence)
        if m and (m[1] is None or int(m[2]) - 1 == number):
            sentence, number = (m[1] or "").rstrip(" ,;:-*"), int(m[2])
        if len(re.findall(r"[A-Za-z0-9]+", sentence)) >= 2:
            kept.append(sentence if sentence[-1] in "?!" else sentence + ".")
    return " ".join(kept)


def clean(raw):
    found = sections(raw)
    chosen = [text for wanted in ("impression", "findings") for name, text in found if name == wanted and text]
    if not chosen:
        filled = [s for s in found if s[1]]
        if filled:
            paragraphs = filled[-1][1].split("\n\n")
            chosen = [paragraphs[-1]] if len(paragraphs) > 1 or filled[-1][0] == "preamble" else []
    text = " ".join(filter(None, map(tidy, chosen)))
    return text if len(re.findall(r"[A-Za-z0-9]+", text)) >= 3 else None


REPORTS = {
    "usual": "                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___-year-old "
             "with cough.\n \n COMPARISON:  ___.\n \n FINDINGS: \n \n The lungs are clear.  Heart size is\n normal.  No "
             "effusion.\n \n IMPRESSION: \n \n No acute process.\n",
    "no head": "                                 FINAL REPORT\n Portable film of the chest.\n \n Compared to ___, the left "
               "effusion is smaller.\n Tube unchanged.\n",
    "no head, one line": "The lungs are clear without effusion",
    "only other heads, with a paragraph": " INDICATION: Fever.\n \n COMPARISON: None.\n \n Small right effusion. No edema.\n",
    "only other heads": " INDICATION: Fever and chills at night.\n COMPARISON: None available here.\n",
    "empty findings": " FINDINGS:\n \n IMPRESSION: Mild pulmonary edema.\n",
    "both empty": " INDICATION: Cough.\n \n Lungs are clear today.\n \n FINDINGS:\n IMPRESSION:\n",
    "numbered list": " IMPRESSION:\n \n 1. Right lower lobe pneumonia.\n 2. Fracture of T12.\n 3. Follow-up film in 6 weeks, "
                     "on day 12.\n 4. Stable.\n",
    "list without stops": " IMPRESSION: 1. Clear lungs 2. No effusion 3. Line in 2012. Film 7.\n",
    "list glued to the head": " IMPRESSION:1. No acute process 2.5 cm from the carina.\n",
    "addendum": "                                 FINAL REPORT\n FINDINGS: Left effusion is large.\n IMPRESSION: Large left "
                "effusion.\n ADDENDUM: The effusion is on the right side.\n FINDINGS: Right effusion is large.\n",
    "decimals": " FINDINGS: A 2.5 cm nodule, and one of .5 cm.It was 1.25 x 2.0 cm . Tip 4.\n",
    "not ASCII": " FINDINGS: Größe 2 × 3 cm – “stable”, patient’s left.\u00a0Caf\ufffd\ufffdine • 5° tilt of film…\n",
    "findings and impression": " FINDINGS AND IMPRESSION:\n The lungs are clear. No pneumothorax.\n",
    "conclusion, Windows line ends": "FINDINGS: Heart is large.\r\nCONCLUSION: Heart failure likely.\r\n",
    "impressions, and heads by view": "CHEST, TWO VIEWS: No change since ___.\n\tIMPRESSIONS : Pneumonia? Film AT\n AT 10:30 PM.\n",
    "wet read": " WET READ: ___ ___ ___ 1:20 PM\n  no pneumothorax\n ________\n                FINAL REPORT\n CHEST:\n \n"
                " REASON FOR EXAM: Tube.\n \n Tube ends above the carina.\n",
    "too short": " IMPRESSION: Normal. No change.\n",
    "one token": " IMPRESSION: Normal.\n \n COMMENT: x\n",
    "lower case is no head": "Findings: the lungs are clear.\n",
    "only removed identifiers": " FINDINGS: ___ ___. ___, ___.\n",
    "empty": "",
    "white space": " \n\t\n \r\n",
}

out = Path(__file__).parent.parent / "golden" / "report"
out.mkdir(parents=True, exist_ok=True)
golden = [{"what": what, "raw": raw, "sections": sections(raw), "clean": clean(raw)} for what, raw in REPORTS.items()]
(out / "report.json").write_text(json.dumps(golden, indent=1) + "\n")
