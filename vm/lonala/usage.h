// vm/lonala/usage.h — who has the memory of the machine: every byte of the grant belongs to one account.
// Invariants  N1 the accounts of the allocator add up to the grant.  N2 what each owner has, found by walking from it, is what the
//             allocator gave out for that use. Between two slices; a native that works has memory of its own.
// Tested by   tests/lonala/usage_test.cpp, and at the end of every conformance block
#pragma once
#include <string_view>

#include "vm/lonala/memory.h"

namespace lonala {

struct Usage {
  u64 processes = 0;  // control blocks, heaps and what was received; with names, links, timers
  u64 messages = 0;   // that wait, and those of timers
  u64 binaries = 0;
  u64 values = 0;    // of variables, superseded ones too
  u64 tables = 0;    // of processes, names, namespaces, timers, functions
  u64 literals = 0;  // names, code, constants
  u64 fixed = 0;
  u64 free = 0;  // room for literals and kept slab objects too
  u64 total() const { return processes + messages + binaries + values + tables + literals + fixed + free; }
};
Usage usage_of(const Vm& vm);
/// The bytes that one process has, without its shared binaries.
u64 process_bytes(const Vm& vm, const Process& process);
/// Empty if N1 and N2 hold; else which does not.
std::string_view usage_problem(const Vm& vm);

}  // namespace lonala
