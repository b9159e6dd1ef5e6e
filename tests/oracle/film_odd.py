"""Goldens of DICOM films whose files are unusual: written by pydicom, Pillow and imagecodecs.

Greys of windows and tables are computed by numpy from the values that were written; compressed
pictures, palettes and colours are decoded by pydicom and imagecodecs.
"""

import io
import json
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.pixels import apply_color_lut
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless,
)  # fmt: skip

warnings.filterwarnings("ignore")
OUT = Path(__file__).parents[1] / "golden" / "film_odd"
OUT.mkdir(parents=True, exist_ok=True)
WIDTH, HEIGHT = 29, 22
cases = []


def picture(low, high):
    """Smooth shapes with a little texture, by formula, between two values."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    wave = np.sin(x / 5) * np.cos(y / 7) + 0.1 * ((x * 3 + y * 5) % 4)
    wave = (wave - wave.min()) / (wave.max() - wave.min())
    return np.rint(low + wave * (high - low)).astype(np.int64)


def grey(values, low=None, high=None):
    """Black at `low`, white at `high`; by default the least and the largest value."""
    low = values.min() if low is None else low
    high = values.max() if high is None else high
    share = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    # Round half up, as Rust's f64::round does for positive values.
    return np.floor(share * 255 + 0.5).astype(np.uint8)


def write(name, pixels, golden, remarks=(), syntax=ExplicitVRLittleEndian, header=True, tolerance=0, frame=None, **tags):
    """Writes a film and its golden greys. `pixels` are values or the coded bytes of the frames."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    words = dict(SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=HEIGHT, Columns=WIDTH, BitsAllocated=16, BitsStored=16)
    words = words | dict(PixelRepresentation=0) | tags
    words.setdefault("HighBit", words["BitsStored"] - 1)
    for key, value in words.items():
        if key.startswith("PixelPadding"):
            ds.add_new(key, "SS" if words["PixelRepresentation"] else "US", value)
        else:
            setattr(ds, key, value)
    wide = words["BitsAllocated"] == 16
    if isinstance(pixels, list):
        ds.PixelData = encapsulate(pixels)
        ds["PixelData"].is_undefined_length = True
    else:
        plain = (pixels & (0xFFFF if wide else 0xFF)).astype("<u2" if wide else "u1").tobytes()
        ds.PixelData = plain + b"\0" * (len(plain) % 2)
        if syntax == RLELossless:
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ds["PixelData"].VR = "OW" if wide and not isinstance(pixels, list) else "OB"
    if header:
        ds.save_as(OUT / f"{name}.dcm", enforce_file_format=True)
    else:
        with open(OUT / f"{name}.dcm", "wb") as file:
            target = DicomFileLike(file)
            target.is_little_endian, target.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
            write_dataset(target, ds)
    if callable(golden):
        golden = golden(pydicom.dcmread(OUT / f"{name}.dcm"))
    case = {"file": f"{name}.dcm", "width": WIDTH, "height": HEIGHT, "tolerance": tolerance, "remarks": list(remarks)}
    cases.append(case | {"frame": frame, "voi": golden.tobytes().hex()})


def table(first, bits, entries, vr="US", data_vr="US"):
    lut = Dataset()
    lut.add_new((0x0028, 0x3002), vr, [len(entries), first, bits])
    lut.add_new((0x0028, 0x3006), data_vr, [int(v) for v in entries])
    return lut


def jpeg_2000(values, **options):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG2000", irreversible=False, no_jp2=True, num_resolutions=3, **options)
    return file.getvalue()


film = picture(0, 4000)
twelve = dict(BitsStored=12)

# Padding: one value and a range; signed with and without a stated kind of value.
signed = picture(-500, 1000)
padded = signed.copy()
padded[:4] = -2000
ends = grey(padded, signed[4:].min(), signed[4:].max())
k = dict(PixelRepresentation=1, PixelPaddingValue=-2000)
write("padding_signed", padded, ends, **k)
write("padding_implicit", padded, ends, syntax=ImplicitVRLittleEndian, **k)
write("padding_12_bits", padded, ends, BitsStored=12, **k)
spread = padded.copy()
spread[:4] = np.linspace(-2000, -1500, 4 * WIDTH).reshape(4, WIDTH)
write("padding_range", spread, grey(spread, signed[4:].min(), signed[4:].max()), PixelPaddingRangeLimit=-1500, **k)
high = film.copy()
high[:4] = np.linspace(60000, 65535, 4 * WIDTH).reshape(4, WIDTH)
write("padding_high_range", high, grey(high, film[4:].min(), film[4:].max()), PixelPaddingValue=65535, PixelPaddingRangeLimit=60000)

# Look-up tables whose descriptor does not fit.
entries = np.arange(4096)
for name, bits, remarks in [("fits", 12, []), ("says_8", 8, ["table_corrected"]), ("says_16", 16, ["table_corrected"])]:
    write(f"table_{name}", film, grey(film, 0, 4095), remarks, VOILUTSequence=Sequence([table(0, bits, entries)]), **twelve)
k = dict(RescaleSlope="1", RescaleIntercept="-1024", **twelve)
write("table_signed_first", film, grey(film, 0, 4095), VOILUTSequence=Sequence([table(-1024, 12, entries, "SS")]), **k)
# The same number, stated as unsigned: only as a signed one it meets the values.
write("table_unsigned_first", film, grey(film, 0, 4095), ["table_corrected"], VOILUTSequence=Sequence([table(65536 - 1024, 12, entries)]), **k)
short = table(0, 12, entries[:2000])
short.LUTDescriptor = [4096, 0, 12]
write("table_short", film, grey(film, 100, 3100), ["table_left_out"], VOILUTSequence=Sequence([short]), WindowCenter="1600.5", WindowWidth="3001", **twelve)

# Windows beside the values, and a slope that makes them equal.
for name, k in [
    ("above", dict(WindowCenter="50000", WindowWidth="400")),
    ("below", dict(WindowCenter="-9000", WindowWidth="400", PhotometricInterpretation="MONOCHROME1")),
    ("table", dict(VOILUTSequence=Sequence([table(40000, 12, entries)]))),
    ("slope", dict(RescaleSlope="0", RescaleIntercept="5", WindowCenter="2000", WindowWidth="4000")),
]:
    golden = grey(film)
    golden = 255 - grey(film) if name == "below" else golden
    write(f"blank_{name}", film, golden, ["full_range"], **twelve, **k)
shallow = picture(3, 250)
write("blank_8", shallow, grey(shallow), ["full_range"], BitsAllocated=8, BitsStored=8, WindowCenter="900", WindowWidth="10")

# Elements and picture state other bits or another sign.
other = ["other_bits"]
write("bits_plain", film, grey(film), other, BitsStored=10)
graphics = film.copy()
graphics[3, 4:9] |= 0x8000
write("bits_graphics", graphics, grey(film), ["upper_bits"], **twelve)
decoded = lambda ds: grey(ds.pixel_array.astype(np.int64))
deep = picture(30, 65000)
write("bits_jpeg_2000", [jpeg_2000(deep.astype(np.uint16))], decoded, other, syntax=JPEG2000Lossless, **twelve)
coded = imagecodecs.jpeg2k_encode(film.astype(np.uint16), bitspersample=12, codecformat="j2k", reversible=True, level=0)
write("bits_jpeg_2000_10", [coded], decoded, other, syntax=JPEG2000Lossless, BitsStored=10)
write("bits_jpeg_2000_16", [coded], decoded, syntax=JPEG2000Lossless)
complement = (signed & 0xFFF).astype(np.uint16)
coded = imagecodecs.jpeg2k_encode(complement, bitspersample=12, codecformat="j2k", reversible=True, level=0)
write("sign_jpeg_2000", [coded], grey(signed), other, syntax=JPEG2000Lossless, PixelRepresentation=1)
coded = imagecodecs.ljpeg_encode(film.astype(np.uint16), bitspersample=12)
write("bits_jpeg_lossless", [coded], grey(film), other, syntax="1.2.840.10008.1.2.4.70", BitsStored=10)
coded = imagecodecs.jpeg_encode(film.astype(np.uint16), level=95, bitspersample=12)
extended = imagecodecs.jpeg_decode(coded).astype(np.int64)
write("jpeg_extended", [coded], grey(extended), syntax=JPEGExtended12Bit, tolerance=1, **twelve)
write("jpeg_extended_10", [coded], grey(extended), other, syntax=JPEGExtended12Bit, tolerance=1, BitsStored=10)

# Colour that holds only greys.
eight = dict(BitsAllocated=8, BitsStored=8)
rgb = dict(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, **eight)
was_colour = ["grey_in_colour"]
tone = shallow.astype(np.uint8)
pixels = np.repeat(shallow[..., None], 3, -1)
red = lambda ds: np.ascontiguousarray(ds.pixel_array[..., 0])
write("colour_rgb", pixels, red, was_colour, **rgb)
write("colour_planes", pixels.transpose(2, 0, 1), red, was_colour, **rgb | dict(PlanarConfiguration=1))
write("colour_rle", pixels, red, was_colour, syntax=RLELossless, **rgb)
write("colour_deep", pixels * 16, grey(shallow), was_colour, **rgb | dict(BitsAllocated=16, BitsStored=12))
ybr = np.stack([shallow, np.full_like(shallow, 128), np.full_like(shallow, 128)], -1)
write("colour_ybr", ybr, tone, was_colour, **rgb | dict(PhotometricInterpretation="YBR_FULL"))
even = shallow.copy()
even = np.pad(even, ((0, 0), (0, 1)), mode="edge")
shared = np.stack([even[:, ::2], even[:, 1::2], np.full_like(even[:, ::2], 128), np.full_like(even[:, ::2], 128)], -1)
write("colour_422", shared, even.astype(np.uint8), was_colour, **rgb | dict(PhotometricInterpretation="YBR_FULL_422", Columns=WIDTH + 1))
cases[-1]["width"] = WIDTH + 1
file = io.BytesIO()
Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=92)
write("colour_jpeg", [file.getvalue()], lambda ds: np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("L")), was_colour, JPEGBaseline8Bit, tolerance=2, **rgb | dict(PhotometricInterpretation="YBR_FULL_422"))
write("colour_jpeg_2000", [jpeg_2000(pixels.astype(np.uint8))], red, was_colour, JPEG2000Lossless, **rgb | dict(PhotometricInterpretation="YBR_RCT"))
palette = {}
for name in ("Red", "Green", "Blue"):
    palette[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
    palette[f"{name}PaletteColorLookupTableData"] = (np.arange(256)[::-1] * 257).astype("<u2").tobytes()
by_palette = lambda ds: np.ascontiguousarray(apply_color_lut(ds.pixel_array, ds)[..., 0] >> 8).astype(np.uint8)
write("colour_palette", shallow, by_palette, was_colour, PhotometricInterpretation="PALETTE COLOR", **eight, **palette)

# Several frames, and files without header.
frames = np.stack([picture(0, 4000), picture(0, 4000)[::-1], picture(0, 4000)[:, ::-1]])
first = {"first_frame": 3}
for number in (None, 2, 3):
    at = 0 if number is None else number - 1
    remarks = [first] if number is None else []
    for name, k in [("plain", {}), ("rle", dict(syntax=RLELossless))]:
        write(f"frames_{name}", frames, grey(frames[at]), remarks, frame=number, NumberOfFrames=3, **twelve, **k)
    coded = [jpeg_2000(f.astype(np.uint16)) for f in frames]
    write("frames_jpeg_2000", coded, grey(frames[at]), remarks, JPEG2000, frame=number, NumberOfFrames=3)
for syntax, name in [(ExplicitVRLittleEndian, "explicit"), (ImplicitVRLittleEndian, "implicit")]:
    write(f"no_header_{name}", film, grey(film), ["no_header"], syntax, header=False, **twelve)

# A deflated data set, and high-throughput JPEG 2000: exact, signed, rounded, in colour.
write("deflated", film, grey(film), syntax=DeflatedExplicitVRLittleEndian, **twelve)
write("deflated_window", film, grey(film, 1000, 3000), syntax=DeflatedExplicitVRLittleEndian, WindowCenter="2000.5", WindowWidth="2001", **twelve)
high_throughput = "1.2.840.10008.1.2.4."
coded = imagecodecs.htj2k_encode(film.astype(np.uint16))
write("htj2k", [coded], grey(film), syntax=high_throughput + "201")
write("htj2k_12", [coded], grey(film), other, syntax=high_throughput + "202", **twelve)
coded = imagecodecs.htj2k_encode(signed.astype(np.int16))
write("htj2k_signed", [coded], grey(signed), syntax=high_throughput + "201", PixelRepresentation=1)
coded = imagecodecs.htj2k_encode(deep.astype(np.uint16), reversible=False, level=0.001)
golden = grey(imagecodecs.htj2k_decode(coded).astype(np.int64))
write("htj2k_lossy", [coded], golden, syntax=high_throughput + "203", tolerance=1)
coded = imagecodecs.htj2k_encode(pixels.astype(np.uint8))
write("htj2k_colour", [coded], tone, was_colour, syntax=high_throughput + "201", **rgb | dict(PhotometricInterpretation="YBR_RCT"))

# What the file says that it shows.
write("shoulder", film, grey(film), [{"not_chest": "modality MR, body part SHOULDER"}], Modality="MR", BodyPartExamined="SHOULDER")
write("lateral", film, grey(film), [{"other_view": "LL"}], Modality="DX", BodyPartExamined="CHEST", ViewPosition="LL")
write("chest", film, grey(film), Modality="CR", BodyPartExamined="Thorax ap", ViewPosition="PA")
(OUT / "film_odd.json").write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")

# Films that are refused: blank ones, and one with colours.
cases.clear()
black = np.zeros_like(film)
write("refused_black", black, black)
write("refused_one_grey", black + 700, black, **twelve)
spot = np.full_like(film, 3000)
spot[0, :3] = [0, 1, 2]
write("refused_nearly_white", spot, black)
tinted = pixels.copy()
tinted[5:9, 5:9, 1] = 0
write("refused_colour", tinted, black, **rgb)
