#!/usr/bin/env python3
"""Prints how the kernel's named behaviours are tested: a line per category with ids covered and tests.

    kernel_tests --list-tests | tools/kernel_catalogue.py      (or: tools/kernel_catalogue.py BINARY)

A test belongs to the categories of its ids ([kernel.CN01] → CN), a test without id to the first one that one of its tags names.
Exit status 1 when an id is missing.
"""
import re
import subprocess
import sys
from collections import defaultdict

CATEGORIES = {  # prefix: (name, number of behaviours, subject tags of further tests)
    "CN": ("CNode operations", 14, ["cnode", "invoke"]),
    "RV": ("Revoke and delete", 15, ["revoke"]),
    "UT": ("Untyped and Retype", 11, ["untyped"]),
    "IP": ("IPC", 19, ["ipc"]),
    "RP": ("Reply objects", 10, ["reply"]),
    "NT": ("Notifications", 7, ["notification"]),
    "BN": ("Bound notifications", 6, ["bound"]),
    "SC": ("Scheduling contexts", 11, ["sched-context"]),
    "RF": ("Refills", 8, ["refill"]),
    "TO": ("Timeouts", 4, ["timeout"]),
    "FA": ("Faults", 7, ["fault"]),
    "TC": ("TCB operations", 7, ["tcb"]),
    "PR": ("Priorities", 6, ["priority"]),
    "VS": ("Frames and address spaces", 10, ["vspace"]),
    "IR": ("Interrupts", 4, ["irq"]),
    "MP": ("Cores", 8, ["cores"]),
    "BT": ("Budget trees", 11, ["budget-tree"]),
    "ST": ("State", 4, ["state"]),
}


def list_tests(text):
    """The tag line of each test: Catch2 prints it indented below the name, possibly wrapped."""
    tags = []
    for line in text.splitlines():
        found = re.findall(r"\[[^\]]+\]", line) if line.startswith("      ") else []
        if found and "[kernel]" in line:
            tags.append([tag[1:-1] for tag in found])
        elif found and tags and re.match(r"^\s+(\[[^\]]+\])+\s*$", line):
            tags[-1] += [tag[1:-1] for tag in found]
    return tags


def main():
    if len(sys.argv) > 1:
        text = subprocess.run([sys.argv[1], "--list-tests"], capture_output=True, text=True, check=False).stdout
    else:
        text = sys.stdin.read()
    covered = defaultdict(set)
    tests = defaultdict(int)
    other = 0
    total = 0
    for tags in list_tests(text):
        total += 1
        ids = [tag[7:] for tag in tags if re.fullmatch(r"kernel\.[A-Z]{2}\d{2}", tag)]
        for identifier in ids:
            covered[identifier[:2]].add(identifier)
        home = ids[0][:2] if ids else next((p for p, c in CATEGORIES.items() if set(tags) & set(c[2])), None)
        if home is None:
            other += 1
        else:
            tests[home] += 1
    missing = []
    print(f"{'category':<28}{'behaviours':>12}{'tests':>8}")
    for prefix, (name, count, _) in CATEGORIES.items():
        print(f"{name:<28}{len(covered[prefix]):>6} of {count:>2}{tests[prefix]:>8}")
        missing += [f"{prefix}{i:02}" for i in range(1, count + 1) if f"{prefix}{i:02}" not in covered[prefix]]
    print(f"{'models, fuzz and others':<28}{'':>12}{other:>8}")
    print(f"{'all':<28}{sum(map(len, covered.values())):>5} of {sum(c[1] for c in CATEGORIES.values())}{total:>8}")
    if missing:
        print("missing: " + " ".join(missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
