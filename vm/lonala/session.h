// vm/lonala/session.h — a machine from its grant, with its library, and the session that evaluates forms in it.
#pragma once
#include <span>

#include "vm/lonala/compile/compiler.h"
#include "vm/lonala/heap.h"
#include "vm/lonala/machine.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/reader.h"

namespace lonala {

struct MachineOptions {
  bool gc_stress = false;  // a full collection at every function entry
  u64 reduction_ns = 8;    // virtual time of a reduction
  u64 now_ns = 0;          // of the machine's clock when it begins
  u64 seed = 0;            // of lona.random
  // For tests, once the library is there. Results of confluent programs must not depend on them.
  u64 preempt_early = 0;  // > 0: a seed; slices end after fewer reductions, most after 1 to 5
  u64 steal_order = 0;    // > 0: a seed; which of the processes of a priority runs next is drawn
  u32 trace = 0;          // bits of TraceClass, once the library is there
};

/// Lays out the machine in `grant` (zeroed) and loads the library. `vm.root` is null when the grant is too small or the library fails;
/// the reason has been written to the ports.
Vm machine_create(u8* grant, u64 bytes, Ports& ports, MachineOptions options = {});

/// What became of a form.
struct Evaluation {
  bool ok = false;
  Term value = kNil;  // the value, or the reason
};
/// Gives the session an empty stack; before each form is read.
void session_reset(Vm& vm);
/// Compiles and runs one form in the session.
Evaluation session_evaluate(Vm& vm, Term form, const Unit& unit = {});
/// Lets the other processes run while no form does, for one turn. False: none can run before `next_ns`, ~0 for never.
bool session_idle(Vm& vm, u64& next_ns);
/// Lets the other processes run until none can any more, or somebody interrupts.
void session_wait(Vm& vm);
/// A result line: `=> VALUE` or `!! :kind DETAIL`, at the start of a line.
void session_print(Vm& vm, const Evaluation& evaluation);
/// The text after `!! `.
void describe_error(Vm& vm, Text& out, Term reason, PrintLimits limits = {});
/// stdin mode: one line per form of the text. The text may come in pieces: unless it `ended`, forms that may go on behind
/// the piece stay, and the answer tells the place where the next piece, which begins with what stayed, is to go on.
enum class Piece : u8 { GoesOn, Ended };
constexpr std::string_view kInputName = "repl";  // the file that forms of the session seem to come from
TextPlace session_forms(Vm& vm, std::string_view text, Piece piece = Piece::Ended, TextPlace start = {});
/// All forms, then the last value; false after an error, which went to the error stream.
bool session_last_value(Vm& vm, std::string_view text);
/// A program: loads a file, then calls `main` if that is defined, with a list of the arguments. The exit status: what it returns if
/// that is an integer of 0 to 255, else 0; 1 after an error, which went to the error stream.
u32 session_program(Vm& vm, std::string_view path, std::span<const std::string_view> arguments);
/// The same with a library of the load path.
u32 session_module(Vm& vm, std::string_view name, std::span<const std::string_view> arguments);
/// Reads, expands and compiles a file; false: something is wrong in it, and has been told.
bool session_check(Vm& vm, std::string_view path);
/// The compiled module of a file, a binary; kNone: something is wrong in the file, and has been told.
Term session_compile(Vm& vm, std::string_view path);
/// Sets `*load-path*` for the session: folders with colons between them.
bool session_load_path(Vm& vm, std::string_view folders);

// ── For a person at a prompt ─────────────────────────────────────────────────────────────────────────────────
/// As session_print, but cut by `*print-length*` and `*print-depth*`; behind an error where it happened, or what may have been meant.
/// The value becomes `*1` and so on, an error `*e`.
void session_answer(Vm& vm, const Evaluation& evaluation, const Unit& unit);
/// Whether text ends within a form.
bool session_incomplete(Vm& vm, std::string_view text);
/// Runs text that a person typed; `line` is the number of its first line. Gives how many lines it has.
u64 session_input(Vm& vm, std::string_view text, u64 line);
/// The process that holds the session.
Process& session_process(const Vm& vm);

}  // namespace lonala
