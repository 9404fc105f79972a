#!/usr/bin/env python3
"""tools/planted.py [--orrery BIN] [--runs N] [--jobs N] [--bug NAME]... [--table] [--shrink] [--list]

Which strategy finds which planted bug (base/planted.def), within how many runs: the scripts of tests/planted on one and on
two cores and the scenarios of scenarios/, one seed after the other, each under every strategy. A run finds something when
a property or an invariant fails, the guest's script says that a result was wrong, nothing can go on, or it does not end.
Without a bug no run may find anything.

    cmake --preset planted && cmake --build build/planted --target orrery kernel_tests && tools/planted.py

  --table     go on after the first finding until each strategy found the bug or made its runs (takes longer)
  --shrink    shrink each finding (orrery minimise), and print what is left of them as medians
  --runs N    runs a strategy makes (default: every case with two seeds)

Exit status: 0 each bug was found within its bar and nothing was reported without one; 1 otherwise; 2 usage. Those called
kernel.* may be left to the kernel's own tests (tools/mutants.sh), which then have to find them.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "tests/planted").glob("*.fsh"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.lua"))
CASES = SCRIPTS + SCENARIOS
CHECKS = "every 500"
UNTIL = "120s"
KILLS = ["--fault", "process.kill target=1/dev from=2ms at-most=2 intensity=4",
         "--fault", "process.drop-reply target=1/console from=100ms at-most=2 ratio=1/20",
         "--override", "budget copies-lost=9"]
# What a strategy adds to the command line. Under faults a script's own status says nothing: its servers may be gone.
STRATEGIES = {
    "fair": [],
    "random": ["--sched", "random:cut=1/20"],
    "pct": ["--sched", "pct:depth=2"],
    "perturb": ["--sched", "perturb:ratio=1/20"],
    "starve": ["--sched", "starve"],
    "kill": KILLS,
}
FAULTY = {"kill"}  # scenarios say themselves what may strike: they are no part of these
# Runs of all strategies together within which a bug has to be found.
BAR = 300
BARS = {
    "notification.lost-wakeup": 2000, "cdt.revoke-skips": 500, "budget.refill-twice": 500, "pull.half-of-one": 1000,
    "untyped.failed-retype": 200, "pipe.close-race": 1000, "client.retry-append": 500, "supervisor.backoff-reset": 300,
    "supervisor.orphan-call": 300, "lonala.down-overtakes": 2000, "lonala.fragment-missed": 500,
}
HELD, PROPERTY, EXCUSED, LIMIT = 0, 1, 6, 11
NAMES = {PROPERTY: "status", 3: "liveness", 5: "broken", 7: "silent", 10: "stalled", LIMIT: "does not end"}


def places(runs):
    """Cases in order, each with the next seed when all had one: path, flags of the machine, seed."""
    for number in range(runs):
        case = CASES[number % len(CASES)]
        seed = number // len(CASES) + 1
        yield case, [] if case.suffix == ".lua" else ["--cores", str(1 + seed % 2), "--until", UNTIL], seed


def run(orrery, bug, strategy, case, machine, seed):
    """What the run found, or None."""
    command = [orrery, "run", str(case), "--seed", str(seed), "--checks", CHECKS] + machine + STRATEGIES[strategy]
    try:
        done = subprocess.run(command, env=dict(os.environ, ORRERY_BUG=bug), capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "does not end on the host"
    errors = done.stderr.decode(errors="replace")
    if done.returncode in (2, 8):
        sys.exit(errors)
    if done.returncode == EXCUSED:
        return None
    for line in errors.splitlines():
        if line.startswith("FAILED"):
            return " ".join(line.split()[1:3])
    if case.stem == "lines":
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("line ")]
        if len(lines) != len(set(lines)):
            return "a line twice"
    if done.returncode == HELD or (done.returncode == PROPERTY and strategy in FAULTY):
        return None
    return NAMES.get(done.returncode, f"exit {done.returncode}")


def hits(orrery, bug):
    """Names of the properties that a few fair runs reach."""
    names = set()
    for script in SCRIPTS:
        command = [orrery, "properties", str(script), "--cores", "2", "--until", UNTIL, "--json"]
        done = subprocess.run(command, env=dict(os.environ, ORRERY_BUG=bug), capture_output=True, timeout=60)
        text = done.stdout.decode(errors="replace").strip().splitlines()
        if text:
            names.update(p["name"] for p in json.loads(text[-1])["properties"] if p["count"] != 0)
    return names


def shrink(orrery, bug, place, strategy):
    """What `orrery minimise` leaves of a finding; None where it cannot."""
    case, machine, seed = place
    with tempfile.TemporaryDirectory() as folder:
        flags = [flag for flag in machine if flag not in ("--until", UNTIL)]
        command = [orrery, "minimise", str(case), "--seed", str(seed), "--json", "-q", "--jobs", "1", "--out",
                   folder + "/least.orrery"] + flags + STRATEGIES[strategy]
        done = subprocess.run(command, env=dict(os.environ, ORRERY_BUG=bug), capture_output=True)
        return json.loads(done.stdout) if done.returncode == 0 else None


class Row:
    """A bug's line of the table."""

    def __init__(self, bug):
        self.bug = bug
        self.cells = {}  # strategy → runs it needed
        self.made = dict.fromkeys(STRATEGIES, 0)
        self.runs = None  # of all strategies together until the first finding
        self.found = None
        self.seconds = 0.0
        self.least = None

    def search(self, options, clean_hits):
        start = time.monotonic()
        for place in places(options.runs):
            for strategy in STRATEGIES:
                if strategy in self.cells or (strategy in FAULTY and place[0].suffix == ".lua"):
                    continue
                self.made[strategy] += 1
                found = run(options.orrery, self.bug, strategy, *place)
                if found is None:
                    continue
                self.cells[strategy] = self.made[strategy]
                if self.found is None:
                    self.take(f"{found} in {place[0].stem}", sum(self.made.values()), start)
                    if options.shrink:
                        self.least = shrink(options.orrery, self.bug, place, strategy)
                    if not options.table:
                        return self
        if self.found is None and self.bug:
            missing = sorted(clean_hits - hits(options.orrery, self.bug))
            if missing:
                self.take("never hit: " + " ".join(missing), len(SCRIPTS), start)
        if self.found is None:
            self.seconds = time.monotonic() - start
        return self

    def take(self, found, runs, start):
        self.found, self.runs, self.seconds = found, runs, time.monotonic() - start

    def is_good(self):
        if not self.bug:
            return self.found is None
        return self.found is not None and (self.runs is None or self.runs <= BARS.get(self.bug, BAR))

    def text(self):
        def cell(strategy):
            if strategy in self.cells:
                return str(self.cells[strategy])
            return " " if self.found and self.made[strategy] == 0 else "–"

        return (f"| {'`' + self.bug + '`' if self.bug else 'none'} | " + " | ".join(map(cell, STRATEGIES)) +
                f" | {self.runs or '–'} | {self.seconds:.1f} s | {self.found or 'nothing'} |")


def ask_kernel_tests(rows):
    """The defects of the kernel that no program of the image shows: its own tests have to."""
    wanted = {row.bug: row for row in rows if row.bug.startswith("kernel.") and row.found is None}
    if not wanted:
        return
    names = [bug.removeprefix("kernel.") for bug in wanted]
    done = subprocess.run([str(ROOT / "tools/mutants.sh")] + names, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "killed":
            wanted[words[1]].found = "kernel tests"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--orrery", default=str(ROOT / "build/planted/orrery"))
    parser.add_argument("--runs", type=int, default=2 * len(CASES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--bug", action="append")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    listed = subprocess.run([options.orrery, "bugs", "--json"], capture_output=True, check=True)
    corpus = json.loads(listed.stdout)
    if not corpus["built_in"]:
        sys.exit(f"planted: {options.orrery} has no planted bugs; build the preset `planted`")
    bugs = [bug["name"] for bug in corpus["bugs"]]
    if options.list:
        print("\n".join(bugs))
        return 0
    for bug in options.bug or []:
        if bug not in bugs:
            sys.exit(f"planted: there is no bug {bug}; --list names them")
    start = time.monotonic()
    clean_hits = hits(options.orrery, "")
    print("| Bug | " + " | ".join(STRATEGIES) + " | all | time | found as |\n|" + "---|" * (len(STRATEGIES) + 4))
    rows = [Row(bug) for bug in [""] + (options.bug or bugs)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(lambda row: row.search(options, clean_hits), rows):
            print(row.text(), flush=True)
    ask_kernel_tests(rows)
    planted = rows[1:]
    found = [row for row in planted if row.runs is not None]
    tests = [row for row in planted if row.found == "kernel tests"]
    print(f"\n{len(found)} of {len(planted)} found by runs, {len(tests)} by the kernel's tests, in "
          f"{time.monotonic() - start:.0f} s with {options.jobs} jobs")
    least = [row.least for row in found if row.least]
    if least:
        fewer = [1 - row["after"]["operations"] / row["before"]["operations"] for row in least
                 if row["before"]["operations"]]
        print(f"shrunk {len(least)}: median {statistics.median(row['after']['faults'] for row in least):.0f} faults, "
              f"{statistics.median(row['after']['choices'] for row in least):.0f} choices, "
              f"{100 * statistics.median(fewer or [0]):.0f} % fewer operations")
    bad = [row for row in rows if not row.is_good()]
    for row in bad:
        print(f"planted: {row.bug or 'the clean build'}: {row.found or 'not found'}"
              f"{f' after {row.runs} runs' if row.runs else ''}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
