#!/usr/bin/env python3
"""Counts the test cases of a ctest run from its LastTest.log and prints "PASSED FAILED".

A Catch2 binary counts as many test cases as its own summary says; any other ctest test counts as one. A test that ctest
calls failed counts at least one failure, whatever its output says: it may have crashed before its summary. What a test
left out because of this host (tests/skip.h) is listed on stderr with its reason.

usage: tools/count_tests.py build/host/Testing/Temporary/LastTest.log
"""
import re
import sys

ALL_PASSED = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)$", re.MULTILINE)
SOME_FAILED = re.compile(r"^test cases: +(\d+)(?P<rest>.*)$", re.MULTILINE)
SKIPPED = re.compile(r"^SKIPPED: (.*)$", re.MULTILINE)
# ctest writes "Test Passed." or, where a regular expression decides, "Test Pass Reason:".
VERDICT = re.compile(r"^Test (?:(Passed)\.|(Pass) Reason:|Failed\.|Fail Reason:)$", re.MULTILINE)


def count(section):
    """(passed, failed) of the part of the log that belongs to one ctest test."""
    verdict = VERDICT.search(section)
    held = verdict is not None and (verdict.group(1) or verdict.group(2)) is not None
    output = section[: verdict.start()] if verdict else section
    if match := ALL_PASSED.search(output):
        passed, failed = int(match.group(1)), 0
    elif match := SOME_FAILED.search(output):
        failed_match = re.search(r"(\d+) failed", match.group("rest"))
        failed = int(failed_match.group(1)) if failed_match else 0
        passed = int(match.group(1)) - failed
    else:
        passed, failed = (1, 0) if held else (0, 1)
    if not held and failed == 0:
        failed = 1
    return passed, failed


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        sections = re.split(r"^\d+/\d+ Test(?:ing)?: ", file.read(), flags=re.MULTILINE)[1:]
    # Each test is announced twice, as "Testing:" and as "Test:"; only the second is followed by its output.
    sections = [section for section in sections if "Command:" in section]
    for section in sections:
        for left_out in SKIPPED.findall(section):
            print(f"left out: {left_out}", file=sys.stderr)
    counts = [count(section) for section in sections]
    if not counts:
        sys.exit("no test ran")
    print(sum(passed for passed, _ in counts), sum(failed for _, failed in counts))


if __name__ == "__main__":
    main()
