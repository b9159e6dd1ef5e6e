#!/usr/bin/env python3
"""Runs an experiment on a Slurm cluster: a job array for the pre-trainings, one for the cells, and
a job for the tables.

Example:
  scripts/slurm_sweep.py configs/experiments/paper-segmentation.yaml --set seeds=[0] \\
    --sbatch=--gres=gpu:1 --sbatch=--cpus-per-task=8 --sbatch=--time=12:00:00

The cells wait for the pre-trainings, the tables for the cells. Two minutes before the time limit,
and when a job is cancelled, each run writes a checkpoint: submit again to continue. Finished runs
are not repeated. The folder with the programs must be in PATH, or be given by --programs.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path


def main():
    args = arguments()
    program = str(Path(args.programs) / "mflag-experiments") if args.programs else "mflag-experiments"
    experiment = [args.experiment, *(part for value in args.set for part in ("--set", value))]
    runs = plan(program, experiment)
    folder = Path(args.logs)
    folder.mkdir(parents=True, exist_ok=True)
    is_open = {run["id"] for run in runs if run["state"] != "done"}
    needed = {need for run in runs for need in run["needs"]}
    encoders = [run for run in runs if run["id"] in is_open & needed]
    cells = [run for run in runs if run["id"] in is_open - needed]

    submit = Submit(args.sbatch, folder, args.dry_run)
    after = submit.array("encoders", program, encoders, args.at_once, None)
    after = submit.array("cells", program, cells, args.at_once, after and f"afterok:{after}")
    table = shlex.join([program, "table", *experiment])
    submit.job("tables", f"exec {table}", [], after and f"afterany:{after}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", help="the experiment (YAML)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value of the experiment")
    parser.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="an option of sbatch, for all jobs")
    parser.add_argument("--at-once", type=int, metavar="N", help="most jobs of an array at once")
    parser.add_argument("--programs", metavar="FOLDER", help="folder of the programs, such as target/release")
    parser.add_argument("--logs", default="slurm", metavar="FOLDER", help="folder of the jobs' logs (default: slurm)")
    parser.add_argument("--dry-run", action="store_true", help="print the sbatch commands, and submit nothing")
    return parser.parse_args()


def plan(program, experiment):
    """The runs of the experiment. Ends with the program's message if a run cannot begin."""
    command = [program, "plan", *experiment, "--json"]
    try:
        planned = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        sys.exit(f"error: cannot start {program}: {error.strerror}; build all programs, and give their folder by --programs")
    answer = json.loads(planned.stdout or "{}")
    for key in ("missing", "refused"):
        for reason in answer.get(key, []):
            print(f"  - {reason}", file=sys.stderr)
    if planned.returncode:
        sys.exit("error: nothing was submitted, because some runs cannot begin")
    return answer["runs"]


class Submit:
    """Submits jobs that write their logs into one folder."""

    def __init__(self, options, folder, is_dry):
        self.options, self.folder, self.is_dry = options, folder, is_dry

    def array(self, name, program, runs, at_once, dependency):
        """Submits an array with a job for each run. Returns its number; None if there is no run."""
        if not runs:
            return None
        # A file with a command a line: the jobs outlive this process, and a later one may list other runs.
        commands = self.folder / f"{name}-{os.getpid()}.txt"
        own = (shlex.join([program, *run["command"][1:]]) for run in runs)
        commands.write_text("".join(f"{command}\n" for command in own))
        limit = f"%{at_once}" if at_once else ""
        line = f'eval "exec $(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {shlex.quote(str(commands.resolve()))})"'
        return self.job(name, line, [f"--array=0-{len(runs) - 1}{limit}"], dependency)

    def job(self, name, line, options, dependency):
        """Submits a job that runs a line of bash. Returns its number."""
        log = self.folder / ("%x-%A-%a.log" if options else "%x-%j.log")
        command = ["sbatch", "--parsable", f"--job-name=mflag-{name}", f"--output={log}", "--signal=B:TERM@120", *options]
        if dependency:
            command += [f"--dependency={dependency}", "--kill-on-invalid-dep=yes"]
        command += [*self.options, f"--wrap={line}"]
        if self.is_dry:
            print(shlex.join(command))
            return name
        number = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split(";")[0].strip()
        print(f"{name}: job {number}")
        return number


if __name__ == "__main__":
    main()
