#!/usr/bin/env python3
"""Sends films to a running mflag-service over several connections, and measures the response times.

Needs only Python's standard library. Each connection stays open and sends its next film after the
answer to the last one, so that the load follows the service. All connections send the same films in
the same order, each beginning at another film.
"""

import argparse
import http.client
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path

ENDINGS = {".jpg", ".jpeg", ".png", ".dcm", ".dicom"}


def ask(address: str, films: list[bytes], start: int, until: float, times: list[float], refused: list[int | str]) -> None:
    connection = http.client.HTTPConnection(address, timeout=60)
    at = start
    while (began := time.monotonic()) < until:
        try:
            connection.request("POST", "/film", films[at % len(films)])
            response = connection.getresponse()
            response.read()
        except (http.client.HTTPException, OSError) as error:
            # The next film opens a new connection.
            connection.close()
            refused.append(type(error).__name__)
            continue
        if response.status == 200:
            times.append(time.monotonic() - began)
        else:
            refused.append(response.status)
        at += 1
    connection.close()


def memory(process: int, field: str) -> float:
    """A field of /proc/PROCESS/status, in MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {process} has no {field}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--address", default="127.0.0.1:8080", help="host and port (%(default)s)")
    parser.add_argument("--films", type=Path, required=True, help="folder of films")
    parser.add_argument("--connections", type=int, default=8, help="connections at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="seconds to measure (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before the measurement (%(default)s)")
    parser.add_argument("--process", type=int, help="process id of the service, to print its memory")
    args = parser.parse_args()
    films = [file.read_bytes() for file in sorted(args.films.rglob("*")) if file.suffix.lower() in ENDINGS]
    if not films:
        sys.exit(f"{args.films} has no films")

    def phase(seconds: float) -> tuple[list[float], list[int | str], float]:
        times: list[float] = []
        refused: list[int | str] = []
        began = time.monotonic()
        threads = [
            threading.Thread(target=ask, args=(args.address, films, i, began + seconds, times, refused))
            for i in range(args.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times, refused, time.monotonic() - began

    phase(args.warm_up)
    times, refused, took = phase(args.seconds)
    if len(times) < 2:
        sys.exit(f"{len(times)} answers; refused: {dict(Counter(refused))}")
    percentiles = statistics.quantiles(times, n=100, method="inclusive")
    print(f"{len(times)} films over {args.connections} connections in {took:.1f} s, {len(films)} files; refused: {dict(Counter(refused)) or 'none'}")
    print(f"{len(times) / took:.1f} films/s; p50 {1000 * percentiles[49]:.1f} ms, p99 {1000 * percentiles[98]:.1f} ms, "
          f"longest {1000 * max(times):.1f} ms")
    if args.process:
        print(f"memory {memory(args.process, 'VmRSS'):.0f} MiB, at most {memory(args.process, 'VmHWM'):.0f} MiB")


if __name__ == "__main__":
    main()
