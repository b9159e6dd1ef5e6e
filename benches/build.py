"""Measures how long builds take, in debug and release: all programs from nothing, the programs again
after a change of one file, all tests from nothing (debug only), and torch-sys alone. torch-sys is
built twice: with its C++ wrappers optimised (as without the overrides in Cargo.toml), and not
optimised. Builds in a separate folder; libtorch and the crates' sources must be present already."""

import argparse
import os
import shutil
import subprocess
import time

from common import ROOT, WORK, table

OPTIMISED = {"debug": "profile.dev.package.torch-sys.opt-level=2", "release": "profile.release.package.torch-sys.opt-level=3"}
FILES = {"mflag-train": "crates/train/src/lib.rs", "mflag-segment": "crates/segment/src/lib.rs"}


def seconds(command, target, *flags):
    begin = time.perf_counter()
    env = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", command, "--quiet", *flags], cwd=ROOT, env=env, check=True)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profiles", nargs="+", choices=["debug", "release"], default=["debug", "release"])
    args = parser.parse_args()
    version = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{version}, {os.cpu_count()} cores")
    rows = []
    for profile in args.profiles:
        flags = ["--release"] if profile == "release" else []
        target = WORK / "build"

        def cold(*more):
            shutil.rmtree(target, ignore_errors=True)
            return f"{seconds('build', target, *flags, *more):.0f}"

        rows.append([profile, "torch-sys and its dependencies, C++ optimised", cold("--package", "torch-sys", "--config", OPTIMISED[profile])])
        rows.append([profile, "torch-sys and its dependencies", cold("--package", "torch-sys")])
        rows.append([profile, "all programs, from nothing", cold()])
        for package, file in FILES.items():
            (ROOT / file).touch()
            rows.append([profile, f"after a change in {package}", f"{seconds('build', target, *flags):.1f}"])
        if profile == "debug":
            shutil.rmtree(target)
            rows.append([profile, "all tests, from nothing", f"{seconds('test', target, '--workspace', '--no-run'):.0f}"])
        shutil.rmtree(target)
    table(["profile", "what", "seconds"], rows)


if __name__ == "__main__":
    main()
