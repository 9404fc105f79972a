// vm/lonala/module_write.cpp — functions and their constants as bytes. The graph below a unit is walked with a stack of its own;
// what is met twice is written once.
#include <algorithm>

#include "base/sha256.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/module.h"
#include "vm/lonala/module_format.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

using module::Kind;

/// Nodes are values as they are, and two tags that no value has: the code of a function, and a value without its metadata.
constexpr Tag kCodeTag = Tag::Forward;
constexpr Tag kBareTag = Tag::Header;
Term code_node(u64 function) { return refer(function, kCodeTag); }

class Writer {
 public:
  explicit Writer(Vm& vm) : vm_(vm), out_(vm), work_(vm), table_(vm) {}

  /// kRaised with the reason in `pending`, else nil.
  Term unit(Term function) {
    if (!is_boxed(vm_, function, Type::Function)) return refused(function);
    const u64 start = out_.size();
    put32(0);
    put32(0);
    count_ = 0;
    table_.shrink(0);
    table_count_ = 0;
    if (!grow_table(64)) return raise_oom(vm_, 64);
    push(function);
    while (!work_.empty()) {
      const Work work = work_.back();
      work_.pop();
      if (find(work.node) != kNowhere) continue;
      if (!work.ready) {
        work_.push({work.node, true});
        if (!parts(work.node)) return kRaised;
        continue;
      }
      write(work.node);
      if (!enter(work.node)) return raise_oom(vm_, 8);
    }
    if (out_.failed() || work_.failed() || table_.failed()) return raise_oom(vm_, out_.size());
    patch32(start, static_cast<u32>(out_.size() - start - 4));
    patch32(start + 4, count_);
    return kNil;
  }

  void header(base::Bytes source) {
    for (u32 i = 0; i < module::kMagicBytes; ++i) out_.push(module::kMagic[i]);
    put64(module::kVersion);
    put64(0);
    base::Sha256 digest;
    digest.add(source);
    u8 bytes[module::kDigestBytes];
    digest.finish(bytes);
    for (const u8 byte : bytes) out_.push(byte);
    for (u32 i = 0; i < module::kDigestBytes; ++i) out_.push(0);
    put32(0);
  }

  Term finish(u32 units) {
    if (out_.failed()) return raise_oom(vm_, out_.size());
    base::store_le64(out_.data() + module::kSizeAt, out_.size());
    patch32(module::kUnitCountAt, units);
    const base::Bytes all(out_.data(), out_.size());
    base::Sha256 digest;
    digest.add(all.first(module::kDigestAt));
    digest.add(all.subspan(module::kUnitCountAt));
    u8 bytes[module::kDigestBytes];
    digest.finish(bytes);
    std::copy(bytes, bytes + module::kDigestBytes, out_.data() + module::kDigestAt);
    return make_binary(vm_, all);
  }

 private:
  static constexpr u32 kNowhere = ~u32{0};
  struct Work {
    Term node;
    bool ready;  // its parts have been written
  };
  struct Entry {
    Term node;
    u32 index;
    bool used;
  };

  // ── Bytes ─────────────────────────────────────────────────────────────────────────────────────────────────
  void put8(u32 value) { out_.push(static_cast<u8>(value)); }
  void put32(u32 value) {
    for (u32 i = 0; i < 4; ++i) out_.push(static_cast<u8>(value >> 8 * i));
  }
  void put64(u64 value) {
    put32(static_cast<u32>(value));
    put32(static_cast<u32>(value >> 32));
  }
  void patch32(u64 at, u32 value) { base::store_le32(out_.data() + at, value); }
  void put_bytes(base::Bytes bytes) {
    put32(static_cast<u32>(bytes.size()));
    for (const u8 byte : bytes) out_.push(byte);
  }
  void put_kind(Kind kind) { put8(static_cast<u32>(kind)); }
  void put_object(Term term) { put32(find(node_of(term))); }

  // ── Which nodes have been written: open addressing, by doubling ───────────────────────────────────────────
  bool grow_table(u64 capacity) {
    Scratch<Entry> before(vm_);
    for (u64 i = 0; i < table_.size(); ++i) {
      if (table_[i].used) before.push(table_[i]);
    }
    table_.shrink(0);
    for (u64 i = 0; i < capacity; ++i) table_.push({kNone, 0, false});
    if (before.failed() || table_.failed()) return false;
    for (u64 i = 0; i < before.size(); ++i) table_[slot(before[i].node)] = before[i];
    return true;
  }
  u64 slot(Term node) const {
    u64 at = splitmix(node) & (table_.size() - 1);
    while (table_[at].used && table_[at].node != node) at = (at + 1) & (table_.size() - 1);
    return at;
  }
  u32 find(Term node) const {
    const Entry& entry = table_[slot(node)];
    return entry.used ? entry.index : kNowhere;
  }
  bool enter(Term node) {
    if (table_count_ * 2 >= table_.size() && !grow_table(table_.size() * 2)) return false;
    table_[slot(node)] = {node, count_, true};
    table_count_ += 1;
    count_ += 1;
    return true;
  }

  // ── The graph ─────────────────────────────────────────────────────────────────────────────────────────────
  void push(Term term) { work_.push({node_of(term), false}); }
  /// A function without captures and metadata is its code, a symbol without metadata the plain one.
  Term node_of(Term term) const {
    if (tag_of(term) != Tag::Boxed || metadata_of(vm_, term) != kNil) return term;
    if (is_boxed(vm_, term, Type::Symbol)) return plain_symbol(vm_, term);
    if (!is_boxed(vm_, term, Type::Function)) return term;
    const Term code = code_of_object(term);
    return code_of(code).captures == 0 ? code : term;
  }
  Term refused(Term value) { return raise_syntax(vm_, value, "a value of this kind cannot be part of a module"); }
  bool refuse(Term value) {
    refused(value);
    return false;
  }
  const FunctionHeader& code_of(Term node) const { return *vm_.at<FunctionHeader>(offset_of(node)); }
  /// The code of a function object.
  Term code_of_object(Term function) const { return code_node(static_cast<u64>(small_value(vm_.object(function)[1]))); }
  Term file_of(const FunctionHeader& function) const {
    return function.file == 0 ? kNil : symbol_term(vm_, u64{function.file} << 3);
  }
  /// The value under its metadata: a node of its own.
  Term bare(Term value) const {
    if (is_symbol(vm_, value)) return plain_symbol(vm_, value);
    return is_boxed(vm_, value, Type::Function) ? code_of_object(value) : refer(offset_of(value), kBareTag);
  }
  /// The value that a node without metadata stands for, to look into.
  Term value_of(Term node) const {
    if (tag_of(node) != kBareTag) return node;
    const Type type = type_of_header(*vm_.words(offset_of(node)));
    return refer(offset_of(node), type == Type::Tuple ? Tag::Tuple : Tag::Boxed);
  }
  bool has_meta(Term node) const {
    return (tag_of(node) == Tag::Tuple || tag_of(node) == Tag::Boxed) && metadata_of(vm_, node) != kNil;
  }

  /// What a node refers to goes onto the stack. False: it cannot be part of a module.
  bool parts(Term node) {
    if (tag_of(node) == kCodeTag) {
      code_parts(code_of(node));
      return true;
    }
    if (has_meta(node)) {
      if (is_boxed(vm_, node, Type::Function) && code_of(code_of_object(node)).captures != 0) return refuse(node);
      push(metadata_of(vm_, node));
      push(bare(node));
      return true;
    }
    const Term value = value_of(node);
    switch (tag_of(value)) {
      case Tag::Small: return true;
      case Tag::Pair: return list_parts(value);
      case Tag::Tuple:
        for (u64 i = tuple_count(vm_, value); i > 0; --i) push(tuple_at(vm_, value, i - 1));
        return true;
      case Tag::Immediate: return immediate_parts(value);
      case Tag::Boxed: return boxed_parts(value);
      case Tag::Pid:
      case Tag::Forward:
      case Tag::Header: break;
    }
    return refuse(value);
  }
  bool list_parts(Term list) {
    const u64 first = work_.size();
    for (; is_pair(list); list = tail(vm_, list)) push(head(vm_, list));
    push(list);
    std::reverse(work_.data() + first, work_.data() + work_.size());
    return true;
  }
  bool immediate_parts(Term value) {
    switch (static_cast<Immediate>(value >> 3 & 31)) {
      case Immediate::Special: return value == kFalse || value == kNil || value == kTrue || refuse(kNil);
      case Immediate::Empty:
      case Immediate::Char:
      case Immediate::F32:
      case Immediate::Fixed:
      case Immediate::Native:
      case Immediate::Symbol:
      case Immediate::Keyword: return true;
      case Immediate::Var:
        push(var_record(vm_, value).name);
        push(namespace_record(vm_, var_record(vm_, value).space).name);
        return true;
      case Immediate::Namespace: push(namespace_record(vm_, value).name); return true;
      case Immediate::Link:
      case Immediate::Ref:
      case Immediate::Timer: break;
    }
    return refuse(value);
  }
  bool boxed_parts(Term value) {
    if (is_map(vm_, value) || is_set(vm_, value)) {
      const bool map = is_map(vm_, value);
      const u64 first = work_.size();
      map_each(vm_, value, [&](Term key, Term entry) {
        push(key);
        if (map) push(entry);
      });
      std::reverse(work_.data() + first, work_.data() + work_.size());
      return true;
    }
    if (is_vector(vm_, value)) {
      for (u64 i = vector_count(vm_, value); i > 0; --i) push(vector_at(vm_, value, i - 1));
      return true;
    }
    switch (type_of_header(vm_.object(value)[0])) {
      case Type::Bignum:
      case Type::F64:
      case Type::Fixed:
      case Type::String:
      case Type::Binary:
      case Type::Shared:
      case Type::Slice:
      case Type::Paddr:
      case Type::Vaddr: return true;
      case Type::Ratio:
        push(vm_.object(value)[2]);
        push(vm_.object(value)[1]);
        return true;
      default: return refuse(value);  // one of them: a function that has captured something
    }
  }
  void code_parts(const FunctionHeader& function) {
    const u64 first = work_.size();
    push(function.name);
    push(function.source);
    push(file_of(function));
    for (u32 i = 0; i < function.code_words; i += instruction_words(function.code()[i])) {
      module::each_name(function.code(), i, [&](char what, u32 at) { push(named(function.code(), what, at)); });
    }
    std::reverse(work_.data() + first, work_.data() + work_.size());
  }
  /// The node that an operand names.
  static Term named(const u32* code, char what, u32 at) {
    if (what == 'v') return var_term(u64{code[at]} << 3);
    if (what == 'f') return code_node(u64{code[at]} << 3);
    return u64{code[at + 1]} << 32 | code[at];
  }

  // ── Objects ───────────────────────────────────────────────────────────────────────────────────────────────
  void write(Term node) {
    if (tag_of(node) == kCodeTag) return write_code(code_of(node));
    if (has_meta(node)) {
      put_kind(Kind::Meta);
      put_object(bare(node));
      return put_object(metadata_of(vm_, node));
    }
    const Term value = value_of(node);
    if (is_small(value)) return write_integer(value);
    if (is_pair(value)) return write_list(value);
    if (is_tuple(value)) {
      put_kind(Kind::Tuple);
      put32(static_cast<u32>(tuple_count(vm_, value)));
      for (u64 i = 0; i < tuple_count(vm_, value); ++i) put_object(tuple_at(vm_, value, i));
      return;
    }
    if (tag_of(value) == Tag::Immediate) return write_immediate(value);
    write_boxed(value);
  }
  void write_list(Term list) {
    put_kind(Kind::List);
    put32(static_cast<u32>(list_length(vm_, list)));
    for (; is_pair(list); list = tail(vm_, list)) put_object(head(vm_, list));
    put_object(list);
  }
  void write_integer(Term value) {
    const number::Integer integer(vm_, value);
    put_kind(Kind::Integer);
    put8((integer.negative ? module::kIntegerNegative : 0) | (integer.marked ? module::kIntegerMarked : 0));
    put32(static_cast<u32>(integer.count));
    for (u64 i = 0; i < integer.count; ++i) put64(integer.limbs[i]);
  }
  void write_fixed(Term value) {
    const number::Integer integer(vm_, value);
    put_kind(Kind::Fixed);
    put8(static_cast<u32>(integer.width));
    put64(integer.low());
  }
  void write_name(Kind kind, Term atom) {
    const NameRecord& record = name_record(vm_, atom);
    put_kind(kind);
    put_bytes(base::bytes_of(record.space()));
    put_bytes(base::bytes_of(record.name()));
  }
  void write_immediate(Term value) {
    const u64 payload = payload_of(value);
    switch (static_cast<Immediate>(value >> 3 & 31)) {
      case Immediate::Special: put_kind(Kind::Special); return put8(static_cast<u32>(payload));
      case Immediate::Empty:
        if (value != kEmptyList) {
          put_kind(value == kEmptyMap ? Kind::Map : Kind::Set);
          return put32(0);
        }
        put_kind(Kind::Special);
        return put8(module::kSpecialEmptyList);
      case Immediate::Char: put_kind(Kind::Char); return put32(static_cast<u32>(payload));
      case Immediate::F32: put_kind(Kind::F32); return put32(static_cast<u32>(payload));
      case Immediate::Fixed: return write_fixed(value);
      case Immediate::Native: put_kind(Kind::Native); return put32(static_cast<u32>(payload));
      case Immediate::Symbol: return write_name(Kind::Symbol, value);
      case Immediate::Keyword: return write_name(Kind::Keyword, value);
      case Immediate::Var:
        put_kind(Kind::Var);
        put_object(namespace_record(vm_, var_record(vm_, value).space).name);
        return put_object(var_record(vm_, value).name);
      case Immediate::Namespace: put_kind(Kind::Namespace); return put_object(namespace_record(vm_, value).name);
      case Immediate::Link:
      case Immediate::Ref:
      case Immediate::Timer: break;
    }
    UNREACHABLE("refused when its parts were looked for");
  }
  void write_boxed(Term value) {
    const u64* words = vm_.object(value);
    if (is_map(vm_, value) || is_set(vm_, value)) {
      const bool map = is_map(vm_, value);
      put_kind(map ? Kind::Map : Kind::Set);
      put32(static_cast<u32>(map_count(vm_, value)));
      return map_each(vm_, value, [&](Term key, Term entry) {
        put_object(key);
        if (map) put_object(entry);
      });
    }
    if (is_vector(vm_, value)) {
      put_kind(Kind::Vector);
      put32(static_cast<u32>(vector_count(vm_, value)));
      return vector_each(vm_, value, [&](Term element) { put_object(element); });
    }
    switch (type_of_header(words[0])) {
      case Type::Bignum: return write_integer(value);
      case Type::Fixed: return write_fixed(value);
      case Type::F64: put_kind(Kind::F64); return put64(number::f64_bits(vm_, value));
      case Type::String: put_kind(Kind::String); return put_bytes(base::bytes_of(string_text(vm_, value)));
      case Type::Paddr: put_kind(Kind::Paddr); return put64(words[1]);
      case Type::Vaddr: put_kind(Kind::Vaddr); return put64(words[1]);
      case Type::Ratio:
        put_kind(Kind::Ratio);
        put_object(words[1]);
        return put_object(words[2]);
      default: break;
    }
    ASSERT(is_binary(vm_, value));
    put_kind(Kind::Binary);
    put_bytes(binary_bytes(vm_, value));
  }
  void write_code(const FunctionHeader& function) {
    put_kind(Kind::Function);
    put8(function.frame);
    put8(function.parameters);
    put8(function.variadic);
    put8(function.captures);
    put8(function.self);
    put32(function.line);
    put_object(function.name);
    put_object(function.source);
    put_object(file_of(function));
    put32(function.code_words);
    put32(function.guard_count);
    const u64 start = out_.size();
    const u32* code = function.code();
    for (u32 i = 0; i < function.code_words; ++i) put32(code[i]);
    if (out_.failed()) return;
    for (u32 i = 0; i < function.code_words; i += instruction_words(code[i])) {
      module::each_name(code, i, [&](char what, u32 at) {
        patch32(start + u64{at} * 4, find(node_of(named(code, what, at))));
        if (what == 'c' || what == 't') patch32(start + u64{at} * 4 + 4, 0);
      });
    }
    const GuardRange* guards = reinterpret_cast<const GuardRange*>(code + function.code_words);
    for (u32 i = 0; i < function.guard_count; ++i) {
      put32(guards[i].from);
      put32(guards[i].to);
      put32(guards[i].target);
      put32(guards[i].live);
    }
  }

  Vm& vm_;
  Scratch<u8> out_;
  Scratch<Work> work_;
  Scratch<Entry> table_;
  u64 table_count_ = 0;
  u32 count_ = 0;  // objects of the unit
};

}  // namespace

Term module_write(Vm& vm, base::Bytes source, Term units) {
  Writer writer(vm);
  writer.header(source);
  u32 count = 0;
  for (; is_pair(units); units = tail(vm, units), ++count) {
    if (writer.unit(head(vm, units)) == kRaised) return kRaised;
  }
  return writer.finish(count);
}

}  // namespace lonala
