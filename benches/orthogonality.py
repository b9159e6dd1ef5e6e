"""Measures the orthogonality loss, forward and backward, computed over the D×D matrix and
over the N×N matrix (D: width of the encoder, N: batch size)."""

import json

from common import call, machine, spread, table


def main():
    print(machine())
    output = call("cargo", "bench", "--quiet", "-p", "mflag-pretrain", "--bench", "orthogonality")
    rows = []
    for line in output.splitlines():
        if line.startswith("{"):
            turns = json.loads(line)
            features, samples = ([1000 * seconds for seconds in turns[side]] for side in ("features", "samples"))
            ratios = [a / b for a, b in zip(features, samples)]
            rows.append([turns["batch"], spread(features), spread(samples), spread(ratios, 1)])
    table(["batch", "D×D, ms", "N×N, ms", "speed-up"], rows)


if __name__ == "__main__":
    main()
