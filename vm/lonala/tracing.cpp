#include "vm/lonala/tracing.h"

#include "vm/lonala/heap.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace lonala {
namespace {

struct Named {
  std::string_view name;
  u32 bits;
};
constexpr Named kClasses[] = {{"spawn", kTraceSpawn}, {"exit", kTraceExit},   {"send", kTraceSend},
                              {"gc", kTraceGc},       {"slice", kTraceSlice}, {"all", kTraceAll}};
constexpr PrintLimits kShort{20, 4};

std::string_view name_of(u32 bits) {
  for (const Named& known : kClasses) {
    if (known.bits == bits) return known.name;
  }
  return {};
}

/// `[ns] class pid …`.
void begin(Vm& vm, Text& out, u32 what, Term pid) {
  out.add('[');
  out.add_number(vm.root->now_ns);
  out.add("] ");
  out.add(name_of(what));
  out.add(' ');
  print(vm, out, pid);
}
void end(Vm& vm, Text& out) {
  out.add('\n');
  if (!out.failed()) vm.ports->write(2, base::bytes_of(out.view()));
}

}  // namespace

std::string_view trace_classes(std::string_view list, u32& bits) {
  for (;;) {
    const u64 comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    u32 found = 0;
    for (const Named& known : kClasses) {
      if (known.name == word) found = known.bits;
    }
    if (found == 0) return word.empty() ? std::string_view("nothing") : word;
    bits |= found;
    if (comma == std::string_view::npos) return {};
    list.remove_prefix(comma + 1);
  }
}

void trace_line(Vm& vm, TraceClass what, Term pid, Term about) {
  Text out(vm);
  begin(vm, out, what, pid);
  if (about != kNone) {
    out.add(' ');
    print(vm, out, about, kShort);
  }
  end(vm, out);
}

void trace_send_line(Vm& vm, Term to, Term message) {
  Text out(vm);
  begin(vm, out, kTraceSend, vm.process == nullptr ? kNil : vm.process->pid);
  out.add(" -> ");
  print(vm, out, to);
  out.add(' ');
  print(vm, out, message, kShort);
  end(vm, out);
}

}  // namespace lonala
