// vm/lonala/machine.h — the state of one machine, all of it in the memory it was granted, and the handle through which code
// reaches it. Everything kept is an offset into that memory; a host pointer lives for one call.
// Layout of the grant: root | page states | pages (heaps, tables, mailboxes) … | … literals and code, growing down.
// Bounds      the grant: kGrantBytesMin to 2^35 bytes, since code names variables by 32-bit counts of 8 bytes.
// Invariants  M1 what lies at or above `Root::literal_low` never moves; code in it that nothing refers to is used again (code_memory.h).
#pragma once
#include <string_view>

#include "vm/lonala/atom_list.h"
#include "vm/lonala/term.h"

namespace lonala {

constexpr u64 kPageBytes = 4096;
constexpr u64 kGrantBytesMin = u64{16} << 20;
constexpr u64 kGrantBytesMax = u64{32} << 30;
constexpr u32 kOrdersMax = 24;       // 2^23 pages of 4 KiB = 32 GiB
constexpr u32 kSlabClassesMax = 14;  // sizes in memory.cpp
constexpr u32 kCodeClasses = 216;    // sizes in code_memory.cpp
constexpr u64 kSliceReductions = 2000;
constexpr u32 kPrioritiesMax = 256;
constexpr u32 kPriorityDefault = 100;

enum class Atom : u32 {
#define ATOM(identifier, text) identifier,
  LONALA_ATOMS(ATOM)
#undef ATOM
      Count,
};

/// What a page of memory holds. Value: what `def` stored; Retired: a large one that no variable holds any more.
enum class PageUse : u8 { Free, Table, Heap, Fragment, Value, Retired };
constexpr u32 kSlabUses = 5;  // those that have slabs

/// A name, shared by the symbol and the keyword of that spelling. The characters follow; never freed.
struct NameRecord {
  u64 hash;         // of the whole spelling, as `hash` mixes it for symbols and keywords
  u32 space_bytes;  // length of the namespace part; 0 for none
  u32 name_bytes;
  u64 keyword_used;  // 1 once a keyword of that name exists (find-keyword)
  const char* characters() const { return reinterpret_cast<const char*>(this + 1); }
  char* characters() { return reinterpret_cast<char*>(this + 1); }
  std::string_view space() const { return {characters(), space_bytes}; }
  std::string_view name() const { return {characters() + space_bytes, name_bytes}; }
};

constexpr u64 kVarMacro = 1;
constexpr u64 kVarPrivate = 2;
constexpr u64 kVarProcessBound = 4;
constexpr u64 kVarGuard = 8;
constexpr u64 kVarStaged = 32;                          // some process stages a change of it
constexpr u64 kVarOwn = kVarProcessBound | kVarStaged;  // a process may have a value of its own
constexpr u64 kVarInline = 16;                          // the interpreter has an instruction for its first value

/// A global variable. `entry` leads calls: the code of a plain function, or a stub that takes the general way.
struct VarRecord {
  u64 entry;
  Term value;
  Term name;   // symbol without namespace
  Term space;  // namespace
  Term meta;   // map or nil
  u64 version;
  u64 flags;
  u32 native_index;  // of the instruction or native it began as, for kVarInline
  u32 staged;        // transactions that stage a change
};

struct NamespaceRecord {
  Term name;  // symbol
  Term doc;
  u64 vars;      // name table: symbol → own var
  u64 refers;    // name table: symbol → var
  u64 aliases;   // name table: symbol → namespace
  u64 next;      // in order of creation
  u64 replaced;  // what the last transaction replaced
};

/// An open-addressing table from atoms to terms, grown by doubling.
struct NameTable {
  u64 capacity;  // power of two
  u64 count;
  u64 slots;  // pairs of words: key (0 is free), value
};

/// A piece of heap outside a process's block: what natives made when the block was full, or a message.
struct Fragment {
  u64 next;
  u64 bytes;   // of the whole fragment
  u64 hp;      // first free byte
  u64 shared;  // shared binaries of a message: first object of the list
};

/// A message waiting in a mailbox; its term lies in its own fragments, in literals, or is immediate. That of one of the first
/// kMessagesInBlockMax may lie in the receiver's heap instead: then it has no fragments, and the collector moves it.
struct Message {
  u64 next;
  Term term;
  u64 fragments;
  Term acknowledge;  // send-sync: ref to acknowledge, else 0
  Term from;
  u64 mark;
};
constexpr u64 kMessagesInBlockMax = 8;

/// Parked: a call it began outside the machine is under way.
enum class Status : u8 { Free, Runnable, Running, Waiting, Parked, Suspended, Exiting };

/// A link, a monitor held, or a monitor on this process; a doubly linked list per process, in the order made. `key` is what it is
/// found by: of a link the other process, else the ref.
struct Relation {
  enum class Kind : u64 { Link, Monitoring, MonitoredBy };
  u64 next;
  u64 previous;
  Kind kind;
  Term other;  // pid
  Term ref;
  Term owner;  // pid
  Term key() const { return kind == Kind::Link ? other : ref; }
};

/// Words 0 to 31 of a process: 256 bytes. What is rare hangs off the words at the end.
struct Process {
  u64 heap_low;   // the block: heap grows up from here
  u64 heap_end;   // the stack grows down from here
  u64 hp;         // first free byte of the heap
  u64 limit;      // the heap may grow up to here while a native runs
  u64 frame;      // offset of register 0 of the running function
  u64 code;       // where to go on
  u64 fragments;  // overflow of the heap since the last collection
  u64 fragment_words;
  u64 live_bytes;  // that the last collection kept
  u64 reclaimed_words;
  u64 swept_epoch;  // no value retired up to this epoch is referred to
  i64 fuel_held;    // taken away so that the next entry looks at the heap; given back there
  Term pid;
  Term pending;   // reason of the error being raised, or of the exit
  Term bindings;  // map var → value of process-bound vars, or nil
  u64 names;      // registered: first NameHeld
  u64 mailbox_first;
  u64 mailbox_last;
  u64 mailbox_save;  // the last message already looked at; 0 for none
  u64 mailbox_count;
  u64 relations_first;
  u64 relations_last;
  u64 deadline;    // timer record while waiting, else 0
  u64 queue_next;  // in the run queue
  i64 fuel;        // reductions left in the slice
  u64 reductions;
  u64 extra_low;  // a block left behind while collecting was off
  u64 extra_end;
  u64 rare;  // RareRecord
  Status status;
  u8 priority;
  u8 flags;    // below
  u8 live;     // argument registers that are live at a safepoint
  u16 gc_off;  // > 0: C++ code holds terms of this process
  u16 marks;   // kFormFailed, kTrapExit
  u32 gc_count;
  u16 nested;        // depth of calls from C++ into the interpreter
  u16 block_prefix;  // bytes before heap_low in its memory: a Fragment if the block was grown in place, else 0
  u64 shared_first;  // its references to shared binaries, youngest first
};
static_assert(sizeof(Process) == 256);

constexpr u8 kOutOfMemory = 4;    // an allocation failed since the last safepoint
constexpr u8 kSignalled = 8;      // an exit waits for the next safepoint
constexpr u8 kDeadlineOver = 16;  // the deadline of the current receive has passed
constexpr u8 kYield = 32;         // the slice ends at the next entry
constexpr u8 kAtReceive = 64;     // it goes on inside a `receive`, not at a function's entry
constexpr u8 kExiting = 128;      // `pending` is an exit reason, not an error
constexpr u8 kCollect = 2;        // the next entry collects, whatever the heap looks like
constexpr u8 kCollectFull = 1;    // and fully

constexpr u16 kFormFailed = 1;  // the session's form ended by an error or exit
constexpr u16 kTrapExit = 2;
constexpr u16 kUsesReserve = 4;  // a supervisor: it may use the memory kept back
constexpr u16 kQuiet = 256;      // its crash is somebody's business already: no report
constexpr u16 kOverLimit = 8;    // more is live than its :max-heap-size
constexpr u16 kAtReturn = 16;    // with kAtReceive: it goes on behind a call
constexpr u16 kParked = 32;      // and what that call gives is still to come
constexpr u16 kAtWork = 64;      // a native has stopped in the middle of its work (work.h)
constexpr u16 kInCall = 128;     // with kAtWork: a frame has been set up for it

/// A name that a process is registered under.
struct NameHeld {
  u64 next;
  Term name;
};

/// What few processes need.
struct RareRecord {
  u64 old_low;  // the old generation: objects that survived two collections
  u64 old_top;
  u64 old_end;
  u64 high_water;       // objects of the block below it survived one
  u64 max_heap_bytes;   // 0: none
  u64 fullsweep_after;  // minor collections between two full ones
  u64 minors;           // since the last full one
  u64 grows;            // most of what was new survived the last one
  u64 minor_count;
  u64 binary_bytes;  // of shared binaries made or taken since the last full collection
  u64 binary_limit;  // beyond it the next collection is a full one
  Term marked_ref;   // the ref made last
  u64 marked_after;  // the last message that had come by then
  // A transaction in progress; the terms are roots.
  Term transaction;  // its ref, or 0
  Term spaces;       // list of namespaces
  Term staged;       // map variable → [value meta undefined?]
  Term made;         // map [namespace name] → variable that it has made
  Term expected;     // list of [namespace name version]
  u64 work;          // with kAtWork: how far the native has come
};
constexpr u64 kFullsweepAfter = 65535;
constexpr u64 kBinaryLimitBytes = u64{256} << 10;

struct Timer {
  u64 deadline_ns;
  u64 number;
  Term pid;
  Term message;  // kNone: the deadline of a receive
  u64 fragments;
  u64 heap_index;
  u64 next_free;
  u64 unused;
};

struct RunQueue {
  u64 first;
  u64 last;
  u64 passed_over;
};

/// The state of the machine, at offset kRootOffset of the grant.
struct Root {
  u64 grant_bytes;
  u64 page_states;  // a byte a page
  u64 page_count;
  u64 free_pages[kOrdersMax];             // first free block of 2^order pages; 0 for none
  u64 slabs[kSlabUses][kSlabClassesMax];  // first free object, by PageUse
  u64 bytes_used;
  u64 literal_low;
  u64 literal_floor;        // it may not sink below
  NameTable atoms_by_name;  // keyed by the record's offset; the hash is the spelling's
  u64 atoms[static_cast<u32>(Atom::Count)];
  u64 stub_general;  // entry of vars that hold no plain function
  u64 functions;     // table of their offsets, descending
  u64 function_count;
  u64 function_capacity;
  u64 code_return;              // a return into C++
  u64 pieces_first;             // of code that may go, by rising address (code_memory.h)
  u64 code_goes;                // from now on code is made in pieces
  u64 code_due;                 // a sweep is
  u64 code_made;                // bytes, since the last sweep
  u64 code_kept;                // bytes that it left
  u64 code_bytes;               // of pieces in use
  u64 code_free[kCodeClasses];  // free pieces by size
  u64 first_namespace;
  u64 last_namespace;
  NameTable namespaces;
  u64 vars_created;
  u64 processes;  // table of words: offset of the process, or next free slot << 1 | 1
  u64 process_capacity;
  u64 process_free;  // first free slot + 1
  u64 process_last_free;
  u64 process_high;  // slots ever used
  u64 process_count;
  RunQueue ready[kPrioritiesMax];
  u64 ready_bits[kPrioritiesMax / 64];
  u64 ready_count;
  u64 slices_passing_over;
  u64 parked;       // processes that wait for a call outside the machine
  NameTable names;  // registered
  u64 timers;       // heap of timer offsets, by (deadline, number)
  u64 timer_count;
  u64 timer_capacity;
  u64 timer_index;  // open-addressing table, by number, of timers with a message: their offsets; 0 is free
  u64 timer_index_capacity;
  u64 timer_index_count;
  u64 timers_made;
  u64 relation_index;  // open-addressing table, by owner, kind and key, of relations: their offsets; 0 is free
  u64 relation_index_capacity;
  u64 relation_index_count;
  u64 now_ns;
  u64 start_ns;
  u64 refs_made;
  u64 gensyms_made;
  u64 inline_broken;  // some var with an instruction of its own was redefined
  u64 gc_stress;
  u64 trace;  // bits of TraceClass
  u64 seed;   // of lona.random
  u64 reduction_ns;
  u64 binary_bytes;  // of the blocks of shared binaries
  u64 pages_free;
  u64 pages_reserved;  // kept for exits, reports and supervisors
  u64 reserve_open;    // > 0: the reserve may be used
  u64 value_bytes;     // of the blocks of values that variables hold or held
  u64 value_epoch;     // counts values that were superseded
  u64 retired_first;   // superseded values, oldest first
  u64 retired_last;
  u64 retired_bytes;
  u64 retired_kept;  // of them after the last sweep
  u64 sweep_target;  // > 0: processes are being collected until none refers to a value retired up to this epoch
  u64 sweep_slot;    // the next process to look at
  Term session;
  Term var_ns;  // *ns*
  Term var_out;
  u64 column_zero;  // the last byte of output was a line feed
  u64 collections;
  u64 slice_collections;  // by the running process since its slice began
  u64 slice;              // reductions of the present slice
  u64 early_seed;         // > 0: slices end early, after a number of reductions drawn from it
  u64 early_drawn;
  u64 order_seed;  // > 0: which of the processes of a priority runs next is drawn from it
  u64 order_drawn;
  u64 trace_digest[2];
  u64 sink[64];  // where small objects go when memory is exhausted
};

constexpr u64 kRootOffset = kPageBytes;

class Files;
constexpr i64 kStartWallNs = 1'767'225'600'000'000'000;

/// What the machine asks of whoever runs it.
struct Ports {
  /// Bytes of a stream: 1 output, 2 errors and logs.
  virtual void write(u32 stream, base::Bytes bytes) = 0;
  /// Opens a source file for `load-file`: its size in bytes, or -1; `read_file` then copies it.
  virtual i64 file_size(std::string_view path) = 0;
  virtual bool read_file(std::string_view path, base::MutableBytes out) = 0;
  /// A property of the program was declared, or reached: `holds` and `detail` (a printed value) say how. Changes nothing.
  virtual void property_declared(std::string_view /*kind*/, std::string_view /*name*/) {}
  virtual void property_reported(std::string_view /*kind*/, std::string_view /*name*/, bool /*holds*/,
                                 std::string_view /*detail*/) {}
  /// The machine has worked up to `now_ns` of its clock: pays for it, and gives the time to go on with, never earlier.
  virtual u64 worked(u64 now_ns) { return now_ns; }
  /// No process can run before `until_ns`: waits, and gives the time it is then. Earlier than that: something came up; later, if
  /// that moment has passed.
  virtual u64 wait(u64 until_ns) { return until_ns; }
  /// Whether somebody wants the session's form to end; true once for each time somebody did.
  virtual bool interrupted() { return false; }
  /// The files that programs reach; null: none.
  virtual Files* files() { return nullptr; }
  /// The wall clock when the machine's own shows `now_ns`: ns since 1970. Without one the machine began at 2026-01-01T00:00:00Z.
  virtual i64 wall_ns(u64 now_ns) { return kStartWallNs + static_cast<i64>(now_ns); }

 protected:
  ~Ports() = default;
};

/// What the running native has made: its heap when this was last looked at.
struct MadeCount {
  u64 block;  // 0: it does not count
  u64 words;
  u64 left;  // not charged yet
};

/// The handle: made anew wherever the machine is entered.
struct Vm {
  u8* base = nullptr;
  Root* root = nullptr;
  Process* process = nullptr;  // the running one
  Ports* ports = nullptr;
  u32 native = 0;  // the native that runs, for error reports
  MadeCount made{};
  bool stops = false;  // it may stop in the middle of its work: whoever called it can wait

  u64* words(u64 offset) const { return reinterpret_cast<u64*>(base + offset); }
  template <class T>
  T* at(u64 offset) const {
    return reinterpret_cast<T*>(base + offset);
  }
  u64 offset(const void* pointer) const { return static_cast<u64>(static_cast<const u8*>(pointer) - base); }
  /// The words of what a term refers to: pair, tuple or boxed object.
  u64* object(Term term) const { return words(offset_of(term)); }
};

// ── Kinds of terms ───────────────────────────────────────────────────────────────────────────────────────────
inline bool is_pair(Term term) { return tag_of(term) == Tag::Pair; }
inline bool is_tuple(Term term) { return tag_of(term) == Tag::Tuple; }
inline bool is_boxed(const Vm& vm, Term term, Type type) {
  return tag_of(term) == Tag::Boxed && type_of_header(vm.object(term)[0]) == type;
}
inline bool is_list(Term term) { return is_pair(term) || term == kEmptyList; }
inline bool is_symbol(const Vm& vm, Term term) {
  return is_immediate(term, Immediate::Symbol) || is_boxed(vm, term, Type::Symbol);
}
inline bool is_keyword(Term term) { return is_immediate(term, Immediate::Keyword); }
inline bool is_string(const Vm& vm, Term term) { return is_boxed(vm, term, Type::String); }
inline bool is_map(const Vm& vm, Term term) {
  return term == kEmptyMap || is_boxed(vm, term, Type::Map) || is_boxed(vm, term, Type::HashMap);
}
inline bool is_set(const Vm& vm, Term term) {
  return term == kEmptySet || is_boxed(vm, term, Type::Set) || is_boxed(vm, term, Type::HashSet);
}
inline bool is_vector(const Vm& vm, Term term) {
  if (tag_of(term) != Tag::Boxed) return false;
  const Type type = type_of_header(vm.object(term)[0]);
  return type >= Type::Vector && type <= Type::View;
}
inline bool is_binary(const Vm& vm, Term term) {
  if (tag_of(term) != Tag::Boxed) return false;
  const Type type = type_of_header(vm.object(term)[0]);
  return type == Type::Binary || type == Type::Shared || type == Type::Slice;
}

inline Term head(const Vm& vm, Term pair) { return vm.object(pair)[0]; }
inline Term tail(const Vm& vm, Term pair) { return vm.object(pair)[1]; }
/// Elements of a tuple or flat vector, without its metadata.
inline u64 tuple_count(const Vm& vm, Term tuple) {
  const u64 word = vm.object(tuple)[0];
  return words_of_header(word) - (flags_of_header(word) & kHasMeta);
}
inline Term tuple_at(const Vm& vm, Term tuple, u64 index) { return vm.object(tuple)[1 + index]; }

/// The plain symbol under one that carries metadata.
inline Term plain_symbol(const Vm& vm, Term symbol) {
  return is_immediate(symbol, Immediate::Symbol) ? symbol : vm.object(symbol)[1];
}
/// The record of an atom: plain symbol or keyword.
inline NameRecord& name_record(const Vm& vm, Term atom) {
  return *vm.at<NameRecord>((payload_of(atom) & 0xFFFFFFFFFF) << 3);
}

inline VarRecord& var_record(const Vm& vm, Term var) { return *vm.at<VarRecord>(payload_of(var) << 3); }
inline Term var_term(u64 offset) { return immediate(Immediate::Var, offset >> 3); }
inline bool is_var(Term term) { return is_immediate(term, Immediate::Var); }
inline NamespaceRecord& namespace_record(const Vm& vm, Term space) {
  return *vm.at<NamespaceRecord>(payload_of(space) << 3);
}
inline bool is_namespace(Term term) { return is_immediate(term, Immediate::Namespace); }

}  // namespace lonala
