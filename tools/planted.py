#!/usr/bin/env python3
"""tools/planted.py [--orrery BIN] [--runs N] [--jobs N] [--bug NAME]... [--list]

Which strategy finds which planted bug (base/planted.def), within how many runs: the scripts of tests/planted on one and on
two cores, one seed after the other. A run finds something when a property or an invariant fails, the guest's script says
that a result was wrong, nothing can go on, or it does not end. Without a bug no run may find anything.

    cmake --preset planted && cmake --build build/planted --target orrery && tools/planted.py

Exit status: 0 each bug was found by some strategy and the clean build by none; 1 otherwise; 2 usage. Those called kernel.*
are for the kernel's own tests (tools/mutants.sh); here they are tried, and may stay.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "tests/planted").glob("*.fsh"))
CHECKS = "every 500"
UNTIL = "120s"
# What a strategy adds to the command line. Under faults a script's own status says nothing: its servers may be gone.
STRATEGIES = {
    "fair": [],
    "random": ["--sched", "random:cut=1/20"],
    "pct": ["--sched", "pct:depth=2"],
    "perturb": ["--sched", "perturb:ratio=1/20"],
    "starve": ["--sched", "starve"],
    "kill": ["--fault", "process.kill target=1/dev from=2ms at-most=2 intensity=4",
             "--fault", "process.drop-reply target=1/console from=100ms at-most=2 ratio=1/20",
             "--override", "budget copies-lost=9"],
}
FAULTY = {"kill"}
HELD, PROPERTY, LIVENESS, LIMIT = 0, 1, 3, 11


def places(strategy, runs):
    """The runs of a strategy in order: script, cores, seed."""
    for number in range(runs):
        script = SCRIPTS[number % len(SCRIPTS)]
        seed = number // len(SCRIPTS) + 1
        yield script, 1 + seed % 2, seed


def run(orrery, bug, strategy, script, cores, seed):
    """What the run found, or None."""
    command = [orrery, "run", str(script), "--seed", str(seed), "--cores", str(cores), "--until", UNTIL, "--checks",
               CHECKS] + STRATEGIES[strategy]
    environment = dict(os.environ, ORRERY_BUG=bug)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "does not end on the host"
    errors = done.stderr.decode(errors="replace")
    for line in errors.splitlines():
        if line.startswith("FAILED"):
            return " ".join(line.split()[1:3])
    if script.stem == "lines":
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("line ")]
        if len(lines) != len(set(lines)):
            return "a line twice"
    if done.returncode == HELD or (done.returncode == PROPERTY and strategy in FAULTY):
        return None
    names = {PROPERTY: "status", 7: "silent", 10: "stalled", LIMIT: "does not end"}
    if done.returncode == 2:
        sys.exit(errors)
    return names.get(done.returncode, f"exit {done.returncode}")


def search(orrery, bug, strategy, runs):
    """(runs made, what was found) of one strategy."""
    for number, (script, cores, seed) in enumerate(places(strategy, runs)):
        found = run(orrery, bug, strategy, script, cores, seed)
        if found is not None:
            return number + 1, f"{found} in {script.stem}"
    return runs, None


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


def row(orrery, bug, runs, clean_hits):
    cells = {}
    first = None
    for strategy in STRATEGIES:
        made, found = search(orrery, bug, strategy, runs)
        cells[strategy] = str(made) if found else "–"
        first = first or found
    if first is None and bug:
        missing = sorted(clean_hits - hits(orrery, bug))
        if missing:
            first = "never hit: " + " ".join(missing)
            cells["fair"] = "hits"
    return bug, cells, first


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--orrery", default=str(ROOT / "build/planted/orrery"))
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--bug", action="append")
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
    wanted = options.bug or bugs
    clean_hits = hits(options.orrery, "")
    print("| Bug | " + " | ".join(STRATEGIES) + " | Found as |\n|" + "---|" * (len(STRATEGIES) + 2))
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = pool.map(lambda bug: row(options.orrery, bug, options.runs, clean_hits), [""] + wanted)
        for bug, cells, found in rows:
            print(f"| {'`' + bug + '`' if bug else 'none'} | " + " | ".join(cells[s] for s in STRATEGIES) +
                  f" | {found or 'nothing'} |", flush=True)
            missed += 1 if (found is None) == bool(bug) and not bug.startswith("kernel.") else 0
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
