// user/commands/trouble.cpp — programs that misbehave on purpose, to see what becomes of it: crash, spin, hog, hang.
#include "user/lib/process_table.h"

#include "base/enforce.h"

namespace user {
namespace {

/// Calls itself until the guard page below the stack stops it. What it reads back keeps each frame in use.
[[gnu::noinline]] u64 recurse(volatile u64& depth) {
  volatile u8 frame[512];
  frame[0] = static_cast<u8>(depth);
  depth = depth + 1;
  if (depth == 0) return 0;  // never: the stack ends long before
  const u64 below = recurse(depth);
  return below + frame[0];
}

[[noreturn]] void loop_without_end() {
  for (;;) asm volatile("" ::: "memory");
}

void take_all_memory(Process& process) {
  constexpr u64 kBlockBytes = 64 << 10;
  for (;;) {
    u8* const block = static_cast<u8*>(process.heap().allocate(kBlockBytes, 16));
    for (u64 at = 0; at < kBlockBytes; at += 4096) block[at] = 1;
    process.work(kBlockBytes / 64);
  }
}

/// What a null pointer leads to. Meant: a sanitizer is not to take the fault for its own finding.
__attribute__((noinline, no_sanitize("undefined", "address"))) u8 read_null() {
  volatile u64 address = 0;
  return *reinterpret_cast<const volatile u8*>(address);
}

i32 crash(Tool& tool, std::string_view how) {
  if (how == "null") {
    tool.complain("address 0 holds {}", read_null());
    return tool.finish();
  }
  if (how == "stack") {
    volatile u64 depth = 0;
    const u64 sum = recurse(depth);
    tool.complain("the stack had no end: {}", sum);
    return tool.finish();
  }
  if (how == "assert") {
    volatile bool sane = false;
    ASSERT(sane);
  }
  if (how == "loop") loop_without_end();
  if (how == "oom") take_all_memory(tool.process());
  return tool.bad_use("unknown kind: {}", how);
}

}  // namespace

i32 crash_main(Process& process) {
  Tool tool(
      process,
      "usage: crash [null | stack | assert | loop | oom]\n  null    read address 0 (default)\n  stack   recurse "
      "without end\n  assert  fail an assertion\n  loop    compute without end and without being charged\n  oom     "
      "allocate without end");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.size() > 1) return tool.bad_use("extra operand: {}", operands[1]);
  return crash(tool, operands.empty() ? std::string_view("null") : operands[0]);
}

i32 crashme_main(Process& process) {
  Tool tool(process, "usage: crashme");
  return crash(tool, "null");
}

/// Computes without end, and is charged for it: preempted like any honest program.
i32 spin_main(Process& process) {
  constexpr u64 kUnits = 1000;  // 10 µs a round
  for (;;) process.work(kUnits);
}

i32 hog_main(Process& process) {
  constexpr u64 kBlockBytes = 64 << 10;
  constexpr u64 kPageBytes = 4096;
  Tool tool(process, "usage: hog SIZE\n  SIZE  bytes to take and touch; K M G");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  const auto size = base::parse_size(options.operands()[0]);
  if (!size.ok()) return tool.bad_use("bad number: {}", options.operands()[0]);
  for (u64 taken = 0; taken < *size; taken += kBlockBytes) {
    u8* const block = static_cast<u8*>(process.heap().try_allocate(kBlockBytes, 16));
    if (block == nullptr) {
      const auto quota = process.read_file("/realm/quota");
      const std::string_view memory = quota.ok() ? value_of(quota->view(), "memory") : std::string_view();
      const auto bytes = base::parse_u64(memory.substr(0, memory.find(' ')));
      constexpr u64 kMega = 1 << 20;
      if (bytes.ok() && *bytes % kMega == 0) {
        tool.complain("{}: quota {}M", fs::text_of(ErrorCode::OutOfMemory), *bytes / kMega);
      } else if (bytes.ok()) {
        tool.complain("{}: quota {}", fs::text_of(ErrorCode::OutOfMemory), *bytes);
      } else {
        tool.complain("{}", fs::text_of(ErrorCode::OutOfMemory));
      }
      return tool.finish();
    }
    for (u64 at = 0; at < kBlockBytes; at += kPageBytes) block[at] = 1;
    process.work(kBlockBytes / 64);
  }
  return tool.finish();
}

/// Waits for ever; notes still end it.
i32 hang_main(Process& process) {
  constexpr u64 kYearNs = u64{365} * 86'400 * 1'000'000'000;
  for (;;) (void)process.sleep(kYearNs).ok();
}

}  // namespace user
