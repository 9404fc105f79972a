// vm/lonala/tracing.h — what a machine tells about its processes while it works, for a person who looks for something: a line on the
// error stream for each event of the classes asked for. It changes no result and costs no reductions.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

enum TraceClass : u32 {
  kTraceSpawn = 1,
  kTraceExit = 2,
  kTraceSend = 4,
  kTraceGc = 8,
  kTraceSlice = 16,
};
constexpr u32 kTraceAll = 31;

/// Adds the classes of a list with commas to `bits`. The first word that is none, or nothing.
std::string_view trace_classes(std::string_view list, u32& bits);

void trace_line(Vm& vm, TraceClass what, Term pid, Term about);
/// `about`: the function of a new process, the reason of an end, a message's receiver and text; kNone for nothing.
inline void trace(Vm& vm, TraceClass what, Term pid, Term about = kNone) {
  if ((vm.root->trace & what) != 0) trace_line(vm, what, pid, about);
}
/// A message: the running process, or the machine itself, sends it.
void trace_send_line(Vm& vm, Term to, Term message);
inline void trace_send(Vm& vm, Term to, Term message) {
  if ((vm.root->trace & kTraceSend) != 0) trace_send_line(vm, to, message);
}

}  // namespace lonala
