#!/usr/bin/env python3
"""Checks who includes whom: every #include of every layer against the table of docs/building.md, and that every core
source file includes base/enforce.h last. Prints one line per finding; the exit status is 1 if there is any.

usage: tools/check_layering.py [--root DIR]
"""
import argparse
import pathlib
import re
import sys

# Layer -> the layers whose headers it may include, itself among them. The build gives each layer the same view through
# its include paths; this names the mistake, and covers what no target compiles.
CORE = ["base", "kernel-model", "schema", "fs", "net", "vm", "user"]
MACHINE = CORE + ["sim/model"]
ALLOWED = {
    "base": ["base"],
    "kernel-model": ["base", "kernel-model"],
    "schema": ["base", "kernel-model", "schema"],
    "fs": ["base", "kernel-model", "schema", "fs"],
    "net": ["base", "kernel-model", "schema", "net"],
    "vm": ["base", "kernel-model", "schema", "vm"],
    "user": CORE,
    "sim/model": ["base", "kernel-model", "schema", "sim/model"],
    "sim/host/campaign": MACHINE + ["sim/host", "replay", "sim/host/campaign"],
    "sim/host/scenario": MACHINE + ["sim/host", "replay", "sim/host/scenario"],
    "sim/host/cli": MACHINE + ["sim/host", "replay", "sim/host/campaign", "sim/host/scenario", "sim/host/cli"],  # the command stands on all of the host side
    "sim/host": MACHINE + ["sim/host"],
    "boot": MACHINE + ["boot"],
    "replay": MACHINE + ["sim/host", "replay"],
    "ui": MACHINE + ["sim/host", "replay", "ui"],
}
CORE_LAYERS = set(MACHINE)

# What the core may use of the standard library: headers that need no operating system.
CORE_SYSTEM_HEADERS = {
    "algorithm", "array", "bit", "charconv", "climits", "compare", "concepts", "cstddef", "cstdint", "cstring",
    "functional", "initializer_list", "iterator", "limits", "memory", "new", "numeric", "optional", "span",
    "string_view", "tuple", "type_traits", "utility", "variant",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Guest floating point is what these define, so the names poisoned by base/enforce.h are their subject.
FLOAT_SOURCES = re.compile(r"^vm/(.*/)?float\.cpp$")
SOURCE_SUFFIXES = {".h", ".cpp", ".def"}


def layer_of(path):
    """The layer a repository path or an include path belongs to, or None."""
    return next((layer for layer in ALLOWED if path.startswith(layer + "/")), None)


def check_file(root, path):
    """Yields (line, message) for one file of a layer."""
    relative = path.relative_to(root).as_posix()
    layer = layer_of(relative)
    includes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        if not name.endswith(".def"):  # a table, not a declaration
            includes.append((number, name))
        if quote == "<":
            if layer in CORE_LAYERS and name not in CORE_SYSTEM_HEADERS:
                yield number, f"core layer {layer} includes <{name}>, which may need an operating system"
            continue
        target = layer_of(name)
        if target is None:
            yield number, f'"{name}" does not begin with a layer'
        elif target not in ALLOWED[layer]:
            yield number, f'layer {layer} may not include "{name}"'
        elif name == "base/enforce.h" and path.suffix == ".h":
            yield number, "a header may not include base/enforce.h: it would bind what is included after it"
    if layer in CORE_LAYERS and path.suffix == ".cpp" and not FLOAT_SOURCES.match(relative):
        if not includes or includes[-1][1] != "base/enforce.h":
            yield (includes[-1][0] if includes else 1), 'the last #include of a core source is not "base/enforce.h"'


def main():
    parser = argparse.ArgumentParser(description="Checks who includes whom.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root.resolve()
    files = 0
    findings = 0
    for layer in ALLOWED:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in SOURCE_SUFFIXES or not path.is_file() or "third_party" in path.parts:
                continue
            if layer_of(path.relative_to(root).as_posix()) != layer:
                continue
            files += 1
            for line, message in check_file(root, path):
                findings += 1
                print(f"{path.relative_to(root)}:{line}: {message}")
    if files == 0:
        print(f"layering: no source files under {root}", file=sys.stderr)
        return 1
    print(f"layering: {files} files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
