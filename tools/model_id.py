#!/usr/bin/env python3
"""Writes the model id: SHA-256 of the sorted (path, content) list of all sources that can change a trace.

usage: tools/model_id.py ROOT OUTPUT.cpp [PLANTED]

PLANTED names defects built in on purpose, which change the model; each bug of base/planted.def has an id of its own for when it is
active. Compiler and flags are not in it: they must not change a trace. Neither is what runs a model (sim/host, boot/).
"""
import hashlib
import pathlib
import re
import sys

FOLDERS = ["base", "kernel-model", "schema", "fs", "net", "vm", "user", "sim/model"]
FILES = ["tools/boot_image.py", "tools/capnpc-orrery/generator.cpp"]  # they write sources


def sources(root):
    for folder in FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.is_file())
    yield from (root / name for name in FILES)


def code_of(digest):
    return "{" + ", ".join(f"0x{byte:02x}" for byte in digest.digest()) + "}"


def with_bug(digest, name):
    bugged = digest.copy()
    bugged.update(f" planted {name}".encode())
    return bugged


def main():
    root, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in sources(root)):
        content = path.read_bytes()
        digest.update(f"{len(name)} {name} {len(content)} ".encode())
        digest.update(content)
    digest.update(" ".join(sys.argv[3:]).encode())
    bugs = re.findall(r'^PLANTED_BUG\("([^"]+)"', (root / "base/planted.def").read_text(), re.MULTILINE)
    bugged = ",\n    ".join(code_of(with_bug(digest, name)) for name in bugs)
    text = f"""// Made by tools/model_id.py. Do not edit.
#include "base/planted.h"
#include "sim/model/plan.h"

#include "base/enforce.h"

namespace {{
constexpr u8 kModelId[sim::kModelIdBytes] = {code_of(digest)};
}}

#ifdef ORRERY_PLANTED
namespace {{
// In the order of base/planted.def.
constexpr u8 kBuggedIds[base::kPlantedCount][sim::kModelIdBytes] = {{
    {bugged}}};
}}

base::Bytes sim::model_id() {{
  if (base::planted_bug == 0) return kModelId;
  return kBuggedIds[base::planted_bug - 1];
}}
#else
base::Bytes sim::model_id() {{ return kModelId; }}
#endif
"""
    if not output.exists() or output.read_text() != text:
        output.write_text(text)


main()
