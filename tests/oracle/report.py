"""Goldens of report cleaning: the rules of report_text.rs, written a second time as regular
expressions, on made-up reports."""
from pathlib import Path
import json
import re
import string
import unicodedata

HEAD = re.compile(r"(?=[^:]{2,60}:)(?=[^:a-z]*[A-Z][^:]*[A-Z])([A-Z][A-Z0-9 ()/,&'#_-]*):(.*)")
NAMES = [
    (r"impression|conclusion", "impression"), (r"finding", "findings"), (r"history|clinical information", "history"),
    (r"comparison|reference exam", "comparison"), (r"addendum", "addendum"), (r"indication|reason for", "indication"),
    (r"exam", "examination"), (r"technique", "technique"), (r"recommendation", "recommendations"),
    (r"wet ?read", "wet read"), (r"chest|portable| view|pa and lat|ap and lat|frontal", "findings"),
]
LIKE = {"‘": "'", "’": "'", "“": '"', "”": '"', "−": "-", "•": "*", "×": "x", "_": " ", "\ufffd": " ",
        **{chr(c): "-" for c in range(0x2010, 0x2016)}}


# Whole headings of the rule "any".
PHRASES = [
    (r"(final |radiologic |radiological )?impression|impressions|conclusions?|findings( and |/)impression|"
     r"impression( and |/)findings|(impression|conclusion) and recommendations?", "impression"),
    (r"((radiographic|radiologic|radiological|imaging|chest|other|additional|incidental) )?findings|finding", "findings"),
    (r"((clinical|patient|medical|past medical|brief|pertinent|relevant) )?history|history of present illness|"
     r"clinical (information|info|details|data|statement|question)", "history"),
    (r"comparisons?|comparison (study|studies|exam|examination|films?)|prior (study|studies|exams)|reference exam",
     "comparison"),
    (r"(clinical )?indications?|history and indication|indication for (study|exam)|"
     r"reason for (this )?(exam|examination|study)|reason for visit", "indication"),
    (r"techniques?|procedures?", "technique"),
    (r"exam|examinations?|type of exam(ination)?|exam(ination)? type", "examination"),
    (r"recommendations?", "recommendations"), (r"addend(um|a)", "addendum"), (r"wet ?read", "wet read"),
]


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


def one_edit(text):
    """All texts that differ by one letter: missing, too many, wrong, or exchanged with the next."""
    letters = string.ascii_lowercase + " /"
    cuts = [(text[:i], text[i:]) for i in range(len(text) + 1)]
    yield from (a + b[1:] for a, b in cuts if b)
    yield from (a + c + b for a, b in cuts for c in letters)
    yield from (a + c + b[1:] for a, b in cuts if b for c in letters)
    yield from (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)


def phrase(head):
    if len(head.encode()) > 60:
        return None
    head = " ".join(re.sub(r"^[\W_]+|[\W_]+$", "", head).lower().split())
    for near in ([head], [e for e in one_edit(head) if len(e) >= 8]):
        for part, name in PHRASES:
            if any(re.fullmatch(part, e) for e in near):
                return name
    return None


def capital(text):
    return next((c.isupper() for c in text if c.isalpha()), False)


def at_start(line):
    if line.upper() == "FINAL REPORT":
        return "preamble", ""
    for sign in (":", " - ", " – ", " — "):
        head, found, rest = line.partition(sign)
        if found and phrase(head):
            return phrase(head), rest.strip()
    if phrase(line) and capital(line) and not line.endswith("."):
        return phrase(line), ""
    m = HEAD.fullmatch(line)
    if m and not re.match(r"[^:]*\d:\d", line):
        head = " ".join(m[1].lower().split())
        name = next((name for part, name in NAMES if re.search(part, head)), None)
        return (name, m[2].strip()) if name else None
    return None


def in_line(line):
    for colon in re.finditer(":", line):
        before = line[:colon.start()]
        for word in [m.start() for m in re.finditer(r"\S+", before)][-5:]:
            if phrase(before[word:]) and capital(before[word:]):
                return phrase(before[word:]), before[:word].strip(), line[colon.end():].strip()
    return None


def sections_any(raw):
    found = [["preamble", []]]
    for line in map(str.strip, re.split(r"\r\n|\r|\n", raw)):
        start = at_start(line)
        if start:
            found.append([start[0], [""]])
            line = start[1]
        while inside := in_line(line):
            found[-1][1].append(inside[1])
            found.append([inside[0], [""]])
            line = inside[2]
        found[-1][1].append(line)
    found = [(name, "\n".join(lines).strip()) for name, lines in found]
    return [s for s in found if s[0] != "preamble" or s[1]]


def without_markup(raw):
    raw = re.sub(r"<(?=[A-Za-z/])[^<>]{0,60}>", "\n", raw)
    for mark, meaning in [("\\r\\n", "\n"), ("\\n", "\n"), ("\\t", " "), ("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"),
                          ("&quot;", '"'), ("&amp;", "&")]:
        raw = raw.replace(mark, meaning)
    return raw


FOLD = {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d", "ı": "i", "°": "deg",
        "…": "...", "½": "1/2", "≥": ">=", "≤": "<=", "µ": "u"}


def fold(text):
    """Letters with marks lose them; some letters and signs have a table."""
    return "".join(FOLD.get(c, unicodedata.normalize("NFD", c)[0]) for c in unicodedata.normalize("NFC", text))


def tidy(text, folded=False):
    text = "".join(LIKE.get(c, " " if c.isspace() or ord(c) < 32 or 127 <= ord(c) < 160 else c) for c in text)
    text = " ".join((fold(text) if folded else text).encode("ascii", "ignore").decode().split())
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


def without_findings(found, any_heading):
    filled = [s for s in found if s[1]]
    if any_heading:
        for name, text in reversed(filled):
            if name == "preamble":
                return [text]
            if "\n\n" in text:
                return [text.split("\n\n", 1)[1]]
    elif filled:
        paragraphs = filled[-1][1].split("\n\n")
        return [paragraphs[-1]] if len(paragraphs) > 1 or filled[-1][0] == "preamble" else []
    return []


def clean(raw, any_heading=False, folded=False):
    found = sections_any(without_markup(raw)) if any_heading else sections(raw)
    chosen = [text for wanted in ("impression", "findings") for name, text in found if name == wanted and text]
    chosen = chosen or without_findings(found, any_heading)
    text = " ".join(filter(None, (tidy(text, folded) for text in chosen)))
    return text if len(re.findall(r"[A-Za-z0-9]+", text)) >= 3 else None


# The text of M-FLAG's authors: what the file of sections has, read by pandas, joined without a separator.
VIEWS = re.compile("chest|portable|pa and lat|lateral and pa|ap and lateral|lateral and ap|frontal and|two views|frontal view|"
                   "pa view|ap view|one view|lateral view|bone window|frontal upright|frontal semi-upright|ribs")
OTHER_FORMS = {"conclusion": "impression", "ndication": "impression", "finding": "findings"}
OTHER_FORMS |= {name: "impression" for name in ("impresson imprression imoression impressoin imprssion impresion imperssion "
                                                "mpression impession").split()}
OTHER_FORMS |= {name: "findings" for name in "findins findindgs findgings findngs findnings finidngs".split()}


def official(raw):
    raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    head = re.compile(r"\n ([A-Z ()/,-]+):\s")
    last = {}
    match = head.search(raw)
    while match:
        begin = match.end()
        following = head.search(raw, begin + max(raw[begin:].find("\n"), 0))
        text = raw[begin:following.start() if following else len(raw)].strip()
        name = match[1].lower().strip()
        if name in OTHER_FORMS:
            name = OTHER_FORMS[name]
        else:
            parts = [part for part in ("impression", "findings", "history", "comparison", "addendum") if part in name]
            name = parts[0] if parts else "findings" if VIEWS.search(name) else name
        if text:
            last[name] = text
        match = following
    if "impression" not in last and "findings" not in last:
        return None
    # A blank stands for a missing section. The tokeniser ignores it, so it is left out here.
    return (last.get("impression", " ") + last.get("findings", " ")).strip()


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
    "letters with marks": "FINDINGS: Grösse des Ergusses 2,5 cm à gauche, ≥ ½ des Hemithorax; Łódź, Ærø, œdème, 5 µm.",
    "letters with marks, decomposed": unicodedata.normalize("NFD", "FINDINGS: Größe des Ergusses à gauche; Café, niño, Å."),
    "letters of other scripts": "FINDINGS: \u041b\u0435\u0433\u043a\u0438\u0435 clear lungs without \u03b1 change.",
    "mixed case": "History: Cough for two weeks.\n\nFindings: The lungs are clear. Heart is normal.\n\nImpression: Normal film today.",
    "on one line": "Clinical history: Cough. Findings: The lungs are clear. Impression: No acute disease.",
    "capitals on one line": "INDICATION: Cough. FINDINGS: The lungs are clear. IMPRESSION: No acute disease.",
    "no full stop before the head": "Comparison: None. Indication: Positive TB test Findings: The cardiac silhouette is normal. "
                                    "Impression: Normal chest film.",
    "a list after the head": "Findings: None. Impression: 1. SINGLE VIEW OF CHEST SHOWS NO CHANGE.\n2. NO LARGE PNEUMOTHORAX.",
    "no colon": "FINDINGS\nThe lungs are clear.\nIMPRESSION\nNo acute disease.",
    "dashes": "Findings - The lungs are clear.\nImpression – No acute disease.",
    "bold": "**FINDINGS:** The lungs are clear.\n**IMPRESSION:** No acute disease.",
    "blank before the colon": "FINDINGS : The lungs are clear.\nimpression : No acute disease.",
    "misspelt": "NDICATION: Cough since May.\n\nFINDNGS: The lungs are clear.\n\nIMPRESION: No acute disease.",
    "tags": "FINDINGS:<br>The lungs are &gt; 3 cm<br/>below.<p>IMPRESSION:</p>No acute disease, nodule <5 mm.",
    "escaped line breaks": "FINDINGS: The lungs are clear.\\nIMPRESSION: No acute disease.",
    "heads of parts of the body": "FINDINGS:\nHEART: Enlarged since May.\nLUNGS: There is a left basal opacity.\n\n"
                                  "IMPRESSION: Heart failure is likely.",
    "no head, two paragraphs": "The lungs are clear today.\n\nThe heart is of normal size.",
    "findings below another head": "Indication: Cough.\n\nThe lungs are clear.\n\nThe heart is large.",
    "words that are no heads": "Findings: There are no new findings: stable. On examination\nof the prior film, no change: none.",
    "only a comparison": "Comparison: Chest film of May.",
    "one blank before the heads alone": "FINAL REPORT\n EXAMINATION: CHEST\n\n FINDINGS: The lungs are clear.\n\n  IMPRESSION: Two "
                                        "blanks.\nIMPRESSION: No blank.\n\tIMPRESSION: A tab.\n IMPRESSION:No white space.\n",
    "a head below a head": "FINAL REPORT\n FINDINGS:\n IMPRESSION: Read as findings.\n IMPRESSION: 1. Clear.\n 2. ___ unchanged.\n",
    "views and other heads in capitals": "\n CHEST, PA AND LATERAL: Clear lungs.\n COMPARISON CHEST FILM: May.\n RIBS: Old fracture.\n "
                                         "CONCLUSIONS: None.\n CONCLUSION: Old fracture.\n",
    "misspelt in capitals": "\n FINDNGS: Clear lungs.\n IMPRESION: No acute disease.\n NDICATION: Cough.\n",
    "empty official sections": "\n FINDINGS: Clear lungs.\n\n IMPRESSION: Clear.\n\n FINDINGS:\n\n IMPRESSION: \n",
    "addendum first": "ADDENDUM: The findings were phoned to the ward.\n\nFindings: New left pneumothorax.",
}

out = Path(__file__).parent.parent / "golden" / "report"
out.mkdir(parents=True, exist_ok=True)
golden = [{"what": what, "raw": raw, "sections": sections(raw), "clean": clean(raw), "folded": clean(raw, folded=True),
           "sections_any": sections_any(without_markup(raw)), "any": clean(raw, any_heading=True, folded=True),
           "official": official(raw)}
          for what, raw in REPORTS.items()]
(out / "report.json").write_text(json.dumps(golden, indent=1) + "\n")
