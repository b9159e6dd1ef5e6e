"""Goldens of the DICOM reader: small films written and read by pydicom, and samples of real ones.

The real films are those of the package pydicom-data. Only 16×16 of their pixels are committed.
Those in lossless JPEG also need pylibjpeg and pylibjpeg-libjpeg.
"""

import io
import json
import warnings
from pathlib import Path

import data_store
import jpeg_ls
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, ExplicitVRBigEndian, ExplicitVRLittleEndian,
    ImplicitVRLittleEndian, RLELossless,
)

warnings.filterwarnings("ignore")
OUT = Path(__file__).parents[1] / "golden" / "film_dicom"
OUT.mkdir(parents=True, exist_ok=True)
WIDTH, HEIGHT = 29, 22


def picture(low, high):
    """Smooth shapes with a little texture, by formula, between two values."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    wave = np.sin(x / 5) * np.cos(y / 7) + 0.1 * ((x * 3 + y * 5) % 4)
    wave = (wave - wave.min()) / (wave.max() - wave.min())
    return np.rint(low + wave * (high - low)).astype(np.int64)


def film(values, stored, allocated=16, signed=False, **extra):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = HEIGHT, WIDTH
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored, stored - 1
    ds.PixelRepresentation = int(signed)
    for name, value in extra.items():
        setattr(ds, name, value)
    # Signed values of fewer bits leave the upper bits empty.
    ds.values = values & ((1 << stored) - 1)
    return ds


def lossless_jpeg(values, bits):
    """Lossless JPEG with first-order prediction; each size class of a difference has a five-bit
    code (ITU-T T.81 annex H)."""
    out, filled = [], 0
    word = 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            left = values[y, x - 1] if x else (values[y - 1, 0] if y else 1 << (bits - 1))
            difference = int((values[y, x] - left + 32768) % 65536 - 32768)
            size = abs(difference).bit_length()
            word = (word << 5) | size
            filled += 5
            if size:
                word = (word << size) | (difference if difference > 0 else difference + (1 << size) - 1)
                filled += size
    pad = -filled % 8
    word = (word << pad) | ((1 << pad) - 1)
    coded = word.to_bytes((filled + pad) // 8, "big").replace(b"\xff", b"\xff\x00")
    segment = lambda marker, body: bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
    counts = bytes([0, 0, 0, 0, 17] + [0] * 11)
    return (
        b"\xff\xd8"
        + segment(0xC3, bytes([bits]) + HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big") + bytes([1, 1, 0x11, 0]))
        + segment(0xC4, bytes([0]) + counts + bytes(range(17)))
        + segment(0xDA, bytes([1, 1, 0, 1, 0, 0]))
        + coded
        + b"\xff\xd9"
    )


def by_pillow(array, kind, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def save(name, ds, syntax):
    values = ds.values
    del ds.values
    big = syntax == ExplicitVRBigEndian
    wide = ds.BitsAllocated == 16
    plain = values.astype((">u2" if big else "<u2") if wide else "u1").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == RLELossless:
        ds.PixelData = plain
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    elif syntax in (JPEGLSLossless, JPEGLSNearLossless):
        error = {"lossy_error": 2} if syntax == JPEGLSNearLossless else {}
        kind = {"rows": HEIGHT, "columns": WIDTH, "samples_per_pixel": 1, "bits_stored": ds.BitsStored}
        ds.PixelData = encapsulate([bytes(jpeg_ls.encode_pixel_data(plain, **error, **kind))])
    elif syntax == JPEGBaseline8Bit:
        ds.PixelData = encapsulate([by_pillow(values.astype(np.uint8), "JPEG", quality=92)])
    elif syntax == JPEG2000Lossless:
        ds.PixelData = encapsulate([by_pillow(values.astype(np.uint16), "JPEG2000", irreversible=False, no_jp2=True, num_resolutions=3)])
    elif syntax == JPEGLosslessSV1:
        ds.PixelData = encapsulate([lossless_jpeg(values, ds.BitsStored)])
    else:
        ds.PixelData = plain + b"\0" * (len(plain) % 2)
    ds["PixelData"].VR = "OW" if wide or big else "OB"
    if big and not wide:  # two pixels share one 16-bit word
        ds.PixelData = np.frombuffer(ds.PixelData, ">u2").astype("<u2").tobytes()
    ds.save_as(OUT / name, enforce_file_format=True)


def greys(ds, values=None):
    """Grey values of the first frame with the windows `full_range` and `voi`, by pydicom."""
    stored = ds.pixel_array if values is None else values
    stored = stored[0] if stored.ndim == 3 else stored
    modality = apply_modality_lut(stored, ds).astype(np.float64)
    film = stored != ds.PixelPaddingValue if "PixelPaddingValue" in ds else np.ones(stored.shape, bool)
    if ds.BitsStored == 8:
        low, high = (-128, 127) if ds.PixelRepresentation else (0, 255)
        ends = apply_modality_lut(np.array([low, high]), ds)
        low, high = min(ends), max(ends)
    else:
        low, high = modality[film].min(), modality[film].max()
    full = (modality - low) / (high - low)
    voi = full
    if "VOILUTSequence" in ds:
        voi = apply_voi(apply_modality_lut(stored, ds), ds) / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    elif "WindowWidth" in ds:
        signed = ds.PixelRepresentation
        ends = np.array([-(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1] if signed else [0, 2**ds.BitsStored - 1])
        if "ModalityLUTSequence" not in ds:
            ends = ends * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        voi = (apply_windowing(apply_modality_lut(stored, ds), ds) - ends[0]) / (ends[1] - ends[0])
    grey = {}
    for name, share in [("full_range", full), ("voi", voi)]:
        share = np.clip(share, 0, 1)
        share = 1 - share if ds.PhotometricInterpretation == "MONOCHROME1" else share
        # Round half up, as Rust's f64::round does for positive values.
        grey[name] = np.floor(share * 255 + 0.5).astype(np.uint8)
    return grey


def item(first, bits, entries):
    lut = Dataset()
    lut.add_new((0x0028, 0x3002), "US", [len(entries), first, bits])
    lut.add_new((0x0028, 0x3006), "US", [int(v) for v in entries])
    return lut


MONO1 = dict(PhotometricInterpretation="MONOCHROME1")
curve = 65535 / (1 + np.exp(-(np.arange(3000) - 1500) / 300))
FILMS = [
    ("plain_8", film(picture(3, 250), 8, 8), ExplicitVRLittleEndian, 0),
    ("mono1_12", film(picture(90, 3900), 12, WindowCenter=[2048, 1000], WindowWidth=[3000, 500], **MONO1), ExplicitVRLittleEndian, 0),
    ("implicit_16", film(picture(20, 60000), 16, RescaleSlope="2.5", RescaleIntercept="-1024", WindowCenter="60000", WindowWidth="90000"), ImplicitVRLittleEndian, 0),
    ("falling_16", film(picture(20, 60000), 16, RescaleSlope="-1", RescaleIntercept="65535"), ExplicitVRLittleEndian, 0),
    ("signed_16", film(picture(-2000, 1800), 16, signed=True, PixelPaddingValue=-2000, WindowCenter="40.5", WindowWidth="800"), ExplicitVRLittleEndian, 0),
    ("signed_12", film(picture(-2000, 1800), 12, signed=True, RescaleSlope="1", RescaleIntercept="24"), ImplicitVRLittleEndian, 0),
    ("big_16", film(picture(7, 40000), 16), ExplicitVRBigEndian, 0),
    ("big_8", film(picture(7, 240), 8, 8), ExplicitVRBigEndian, 0),
    ("exact_10", film(picture(3, 1000), 10, WindowCenter="500", WindowWidth="600", VOILUTFunction="LINEAR_EXACT"), ExplicitVRLittleEndian, 0),
    ("sigmoid_14", film(picture(3, 16000), 14, WindowCenter="9000", WindowWidth="6000", VOILUTFunction="SIGMOID", **MONO1), ExplicitVRLittleEndian, 0),
    ("voi_table_12", film(picture(3, 4000), 12, VOILUTSequence=Sequence([item(500, 16, curve), item(0, 8, [0, 255])])), ExplicitVRLittleEndian, 0),
    ("modality_table_12", film(picture(3, 4000), 12, ModalityLUTSequence=Sequence([item(100, 16, curve)])), ImplicitVRLittleEndian, 0),
    ("rle_8", film(picture(3, 250), 8, 8, **MONO1), RLELossless, 0),
    ("rle_16", film(picture(90, 3900), 12, WindowCenter="2048", WindowWidth="3000"), RLELossless, 0),
    ("rle_frames", film(np.stack([picture(90, 3900), picture(0, 9)]), 12, NumberOfFrames=2), RLELossless, 0),
    ("jpeg_8", film(picture(3, 250), 8, 8), JPEGBaseline8Bit, 2),
    ("jpeg_lossless_16", film(picture(30, 65000), 16, **MONO1), JPEGLosslessSV1, 0),
    ("jpeg_lossless_12", film(picture(30, 4000), 12, WindowCenter="2048", WindowWidth="3000"), JPEGLosslessSV1, 0),
    ("jpeg_2000_16", film(picture(30, 65000), 16, WindowCenter="30000", WindowWidth="50000"), JPEG2000Lossless, 0),
    ("jpeg_ls_8", film(picture(3, 250), 8, 8, **MONO1), JPEGLSNearLossless, 0),
    ("jpeg_ls_12", film(picture(3, 4000), 12, WindowCenter="2048", WindowWidth="3000"), JPEGLSLossless, 0),
]
cases = []
for name, ds, syntax, tolerance in FILMS:
    values = ds.values
    save(f"{name}.dcm", ds, syntax)
    read = pydicom.dcmread(OUT / f"{name}.dcm")
    # pydicom cannot decode lossless JPEG by itself: use the values that were encoded.
    grey = greys(read, values.astype(np.uint16) if syntax == JPEGLosslessSV1 else None)
    case = {"file": f"{name}.dcm", "width": WIDTH, "height": HEIGHT, "tolerance": tolerance}
    cases.append(case | {window: values.tobytes().hex() for window, values in grey.items()})
(OUT / "film_dicom.json").write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")

# Real films, and other grey images that are hard to read, decoded by pydicom with Pillow and, if it
# is installed, pylibjpeg. By name: the tolerance in grey values.
GRID = 16
REAL = {
    "RG1_UNCR": 0, "RG1_UNCI": 0, "RG1_J2KR": 0, "RG1_J2KI": 1, "RG3_UNCR": 0, "RG3_J2KR": 0, "RG3_J2KI": 1, "MR2_J2KR": 0, "MR2_J2KI": 1,
    "693_J2KR": 0, "JPEG-LL": 0, "JPGLosslessP14SV1_1s_1f_8b": 0, "bad_sequence": 0, "explicit_VR-UN": 0, "emri_small": 0,
    "emri_small_RLE": 0, "emri_small_big_endian": 0, "emri_small_jpeg_2k_lossless": 0, "mlut_18": 0, "vlut_04": 0, "eCT_Supplemental": 0,
}  # fmt: skip
folder = Path(data_store.__path__[0]) / "data"
samples = []
for name, tolerance in REAL.items():
    try:
        ds = pydicom.dcmread(folder / f"{name}.dcm")
        grey = greys(ds)
    except Exception as error:
        print(name, repr(error)[:200])
        continue
    rows, columns = (np.arange(GRID) * (n - 1) // (GRID - 1) for n in (ds.Rows, ds.Columns))
    case = {"file": f"{name}.dcm", "width": int(ds.Columns), "height": int(ds.Rows), "tolerance": tolerance, "grid": GRID}
    for window, values in grey.items():
        case[window] = values[np.ix_(rows, columns)].tobytes().hex()
    samples.append(case)
(OUT / "real.json").write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in samples) + "]\n")
