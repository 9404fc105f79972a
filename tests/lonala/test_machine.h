// tests/lonala/test_machine.h — a machine of its own for a test.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/lonala/slow_files.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/reader.h"
#include "vm/lonala/session.h"

namespace lonala_tests {

constexpr u64 kMemoryDefault = u64{256} << 20;

struct CapturePorts final : lonala::Ports {
  void write(u32 stream, base::Bytes bytes) override {
    if (stream == 1) {
      output += base::text_of(bytes);
    } else {
      log += base::text_of(bytes);
    }
  }
  i64 file_size(std::string_view path) override {
    const auto found = memory.contents.find(path);
    return found == memory.contents.end() ? -1 : static_cast<i64>(found->second.size());
  }
  bool read_file(std::string_view path, base::MutableBytes out) override {
    const auto found = memory.contents.find(path);
    if (found == memory.contents.end() || found->second.size() != out.size()) return false;
    std::copy(found->second.begin(), found->second.end(), out.begin());
    return true;
  }
  u64 worked(u64 now_ns) override { return memory.now_ns = now_ns; }
  u64 wait(u64 until_ns) override { return memory.now_ns = std::min(until_ns, memory.next_ns()); }
  lonala::Files* files() override { return &memory; }
  bool interrupted() override {
    if (turns_left == 0) return false;
    turns_left -= 1;
    return turns_left == 0;
  }
  u32 turns_left = 0;  // > 0: a form that takes so many turns is interrupted
  SlowFiles memory;
  std::string output;
  std::string log;
};

struct Machine {
  Machine(lonala::MachineOptions options, u64 memory) : bytes(memory) {
    grant = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    vm = lonala::machine_create(static_cast<u8*>(grant), bytes, ports, options);
  }
  /// A copy of all its memory, at another address.
  Machine(const Machine& other) : bytes(other.bytes) {
    grant = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    std::memcpy(grant, other.grant, bytes);
    vm.base = static_cast<u8*>(grant);
    vm.root = reinterpret_cast<lonala::Root*>(vm.base + lonala::kRootOffset);
    vm.ports = &ports;
  }
  Machine& operator=(const Machine&) = delete;
  ~Machine() { munmap(grant, bytes); }

  struct Step {
    bool ended = false;
    lonala::Evaluation evaluation;
  };
  std::string text(lonala::Term term) {
    lonala::Text out(vm);
    lonala::print(vm, out, term);
    return std::string(out.view());
  }
  std::string error(lonala::Term reason) {
    lonala::Text out(vm);
    lonala::describe_error(vm, out, reason);
    return std::string(out.view());
  }
  /// Evaluates the forms of a text; the last one's result, and what failed before it.
  lonala::Evaluation run(const std::string& source, std::string& early) {
    lonala::Reader reader(vm, source);
    lonala::Evaluation last{true, lonala::kNone};
    for (;;) {
      lonala::session_reset(vm);
      lonala::Term form = lonala::kNil;
      const auto outcome = reader.next(form);
      if (outcome == lonala::Reader::Outcome::End) return last;
      if (!last.ok && early.empty()) early = error(last.value);
      ports.output.clear();
      if (outcome == lonala::Reader::Outcome::Error) return {false, vm.process->pending};
      last = lonala::session_evaluate(vm, form);
    }
  }
  /// Evaluates (f (quote value) …) given as text around a placeholder.
  std::string ask(const std::string& before, lonala::Term value, const std::string& after) {
    lonala::session_reset(vm);
    lonala::Reader reader(vm, after);
    std::vector<lonala::Term> rest;
    lonala::Term form = lonala::kNil;
    lonala::Term list = lonala::kEmptyList;
    while (reader.next(form) == lonala::Reader::Outcome::Form) rest.push_back(form);
    for (u64 i = rest.size(); i > 0; --i) list = lonala::make_pair(vm, rest[i - 1], list);
    const lonala::Term quoted = lonala::make_list(vm, {lonala::symbol(vm, lonala::Atom::Quote), value});
    list = lonala::make_pair(vm, quoted, list);
    list = lonala::make_pair(vm, lonala::symbol_named(vm, before), list);
    const lonala::Evaluation result = lonala::session_evaluate(vm, list);
    return result.ok ? text(result.value) : "!! " + error(result.value);
  }

  u64 bytes;
  void* grant;
  CapturePorts ports;
  lonala::Vm vm;
};

}  // namespace lonala_tests
