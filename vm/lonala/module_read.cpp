// vm/lonala/module_read.cpp — checks the bytes of a module and turns them back into functions and constants.
#include <algorithm>

#include "base/sha256.h"
#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/code_memory.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/module.h"
#include "vm/lonala/module_format.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/number/binary_float.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/verify.h"

#include "base/enforce.h"

namespace lonala {
namespace {

using module::Kind;

constexpr u32 kNothing = ~u32{0};

/// What an object of a unit is, once it has been checked.
struct Object {
  Kind kind;
  u8 detail;  // Special: which; Integer: 1 if it is positive; Function: captures
  bool is_unit;
  u32 at;  // offset of what follows its kind
};

/// Takes numbers from the bytes, up to an end; beyond it everything is 0 and the fault is noted.
class Cursor {
 public:
  Cursor(base::Bytes bytes, u64 at, u64 end, ModuleFault& fault) : bytes_(bytes), at_(at), end_(end), fault_(fault) {}
  u64 at() const { return at_; }
  u64 left() const { return end_ - at_; }
  bool ok() const { return fault_.ok(); }
  void fail(u64 at, const char* why) {
    if (fault_.ok()) fault_ = {at, why};
  }
  void fail(const char* why) { fail(at_, why); }
  u32 take8() { return need(1) ? bytes_[at_++] : 0; }
  u32 take32() {
    if (!need(4)) return 0;
    at_ += 4;
    return base::load_le32(bytes_.data() + at_ - 4);
  }
  u64 take64() {
    if (!need(8)) return 0;
    at_ += 8;
    return base::load_le64(bytes_.data() + at_ - 8);
  }
  base::Bytes take_bytes() {
    const u32 count = take32();
    if (!need(count)) return {};
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  std::string_view take_text() {
    const u64 start = at_;
    const std::string_view text = base::text_of(take_bytes());
    if (!base::is_valid_utf8(text)) fail(start, "a text that is not UTF-8");
    return text;
  }
  /// A count of things that take so many bytes each at least.
  u32 take_count(u32 bytes_each) {
    const u64 start = at_;
    const u32 count = take32();
    if (u64{count} * bytes_each <= left()) return count;
    fail(start, "a count beyond the end");
    return 0;
  }

 private:
  bool need(u64 count) {
    if (fault_.ok() && count > left()) fail("it ends too early");
    return fault_.ok();
  }
  base::Bytes bytes_;
  u64 at_;
  u64 end_;
  ModuleFault& fault_;
};

/// One unit: checked first; then it may be linked.
class UnitReader {
 public:
  UnitReader(Vm& vm, base::Bytes bytes, ModuleFault& fault)
      : vm_(vm), bytes_(bytes), fault_(fault), objects_(vm), terms_(vm), code_(vm) {}

  /// Checks the unit at an offset; where it ends.
  u64 check(u64 offset) {
    Cursor head(bytes_, offset, bytes_.size(), fault_);
    const u32 size = head.take_count(1);
    if (!head.ok()) return 0;
    Cursor in(bytes_, head.at(), head.at() + size, fault_);
    const u32 count = in.take_count(2);
    for (u32 i = 0; i < count && in.ok(); ++i) {
      const u64 start = in.at();
      const u32 kind = in.take8();
      if (in.ok() && kind >= static_cast<u32>(Kind::End)) in.fail(start, "no such kind of object");
      Object object{static_cast<Kind>(kind), 0, false, static_cast<u32>(in.at())};
      if (in.ok()) check_object(in, object);
      objects_.push(object);
    }
    if (in.ok() && objects_.failed()) in.fail(kNoMemory);
    if (in.ok() && in.left() != 0) in.fail("bytes behind the last object");
    if (in.ok() && (count == 0 || !objects_.back().is_unit)) {
      in.fail(offset, "a unit that is no function without arguments");
    }
    return in.at();
  }

  /// The function of the unit that was checked; kRaised with the reason in `pending`.
  Term link() {
    for (u64 i = 0; i < objects_.size(); ++i) {
      Cursor in(bytes_, objects_[i].at, bytes_.size(), fault_);
      const Term term = link_object(in, objects_[i]);
      if (term == kRaised) return kRaised;
      terms_.push(term);
      if (heap_failed(vm_) || terms_.failed()) return raise_oom(vm_, objects_.size());
    }
    ASSERT(fault_.ok());
    return terms_.back();
  }

 private:
  // ── Checking ──────────────────────────────────────────────────────────────────────────────────────────────
  /// An object that comes before, of a kind.
  u32 take_object(Cursor& in, u64 kinds = ~u64{0}) {
    const u64 start = in.at();
    const u32 index = in.take32();
    if (!in.ok()) return kNothing;
    if (index >= objects_.size()) return in.fail(start, "an object that does not come before"), kNothing;
    const Object object = objects_[index];
    if ((kinds >> static_cast<u32>(object.kind) & 1) == 0) return in.fail(start, "an object of a wrong kind"), kNothing;
    if (!is_value(object)) return in.fail(start, "a function without what it captures"), kNothing;
    return index;
  }
  static constexpr u64 one(Kind kind) { return u64{1} << static_cast<u32>(kind); }
  static bool is_value(const Object& object) { return object.kind != Kind::Function || object.detail == 0; }
  void check_object(Cursor& in, Object& object) {
    const u64 start = in.at();
    switch (object.kind) {
      case Kind::Special:
        object.detail = static_cast<u8>(in.take8());
        if (object.detail > module::kSpecialEmptyList) in.fail(start, "no such constant");
        return;
      case Kind::Char: {
        const u32 code = in.take32();
        if (code > base::kCodePointMax || (code >= 0xD800 && code < 0xE000)) in.fail(start, "no character");
        return;
      }
      case Kind::Integer: return check_integer(in, object);
      case Kind::Fixed:
        if (in.take8() > static_cast<u32>(Width::I64)) in.fail(start, "no such width");
        in.take64();
        return;
      case Kind::F32: {
        const u32 bits = in.take32();
        if ((bits & 0x7FFFFFFF) > 0x7F800000 && bits != number::kNaN32)
          in.fail(start, "another NaN than the one there is");
        return;
      }
      case Kind::F64: {
        const u64 bits = in.take64();
        if (number::f64_is_nan(bits) && bits != number::kNaN64) in.fail(start, "another NaN than the one there is");
        return;
      }
      case Kind::Ratio: {
        take_object(in, one(Kind::Integer));
        const u32 denominator = take_object(in, one(Kind::Integer));
        if (denominator != kNothing && objects_[denominator].detail == 0)
          in.fail(start, "a denominator that is not positive");
        return;
      }
      case Kind::String: in.take_text(); return;
      case Kind::Binary: in.take_bytes(); return;
      case Kind::Symbol:
      case Kind::Keyword:
        in.take_text();
        in.take_text();
        return;
      case Kind::Native:
        if (in.take32() >= static_cast<u32>(NativeId::End)) in.fail(start, "an unknown native");
        return;
      case Kind::Var:
        take_object(in, one(Kind::Symbol));
        take_object(in, one(Kind::Symbol));
        return;
      case Kind::Namespace: take_object(in, one(Kind::Symbol)); return;
      case Kind::Paddr:
      case Kind::Vaddr: in.take64(); return;
      case Kind::List: {
        const u32 count = in.take_count(4);
        if (count == 0) in.fail(start, "a list without an element");
        for (u32 i = 0; i < count && in.ok(); ++i) take_object(in);
        const u32 rest = take_object(in, one(Kind::Special) | one(Kind::List));
        if (!in.ok() || objects_[rest].kind == Kind::List || objects_[rest].detail == module::kSpecialEmptyList) return;
        in.fail(start, "a list that does not end");
        return;
      }
      case Kind::Tuple:
      case Kind::Vector:
      case Kind::Set:
      case Kind::Map: {
        const u32 each = object.kind == Kind::Map ? 2 : 1;
        const u64 count = u64{in.take_count(4 * each)} * each;
        for (u64 i = 0; i < count && in.ok(); ++i) take_object(in);
        return;
      }
      case Kind::Meta:
        take_object(in, one(Kind::Symbol) | one(Kind::Tuple) | one(Kind::Vector) | one(Kind::Map) | one(Kind::Set) |
                            one(Kind::Function));
        take_object(in, one(Kind::Map));
        return;
      case Kind::Function: return check_function(in, object);
      case Kind::End: break;
    }
    UNREACHABLE("the kinds of objects");
  }

  void check_integer(Cursor& in, Object& object) {
    const u32 flags = in.take8();
    const u64 start = in.at();
    const u32 limbs = in.take_count(8);
    bool zero = true;
    for (u32 i = 0; i < limbs; ++i) zero = in.take64() == 0 && zero;
    if (flags > (module::kIntegerNegative | module::kIntegerMarked)) in.fail(start - 1, "unknown flags of an integer");
    object.detail = !zero && (flags & module::kIntegerNegative) == 0;
  }

  struct FunctionParts {
    u32 line, name, names, file, words, guards;
    u64 code_at;
  };
  /// The function at the cursor into `code_`: a header, the words as they lie in the module, the guards.
  FunctionParts take_function(Cursor& in) {
    FunctionHeader header{};
    header.frame = static_cast<u8>(in.take8());
    header.parameters = static_cast<u8>(in.take8());
    header.variadic = static_cast<u8>(in.take8());
    header.captures = static_cast<u8>(in.take8());
    header.self = static_cast<u8>(in.take8());
    FunctionParts parts{};
    parts.line = in.take32();
    parts.name = take_object(in, one(Kind::Symbol));
    parts.names = take_object(in, one(Kind::Tuple) | one(Kind::Special));
    parts.file = take_object(in, one(Kind::Symbol) | one(Kind::Special));
    parts.words = in.take_count(4);
    parts.guards = in.take_count(module::kGuardBytes);
    parts.code_at = in.at();
    if (u64{parts.words} * 4 + u64{parts.guards} * module::kGuardBytes > in.left()) in.fail("it ends too early");
    if (!in.ok()) return parts;
    header.match = header.variadic != 0 ? kMatchNever : header.parameters;
    header.cost = function_cost(parts.words);
    header.code_words = parts.words;
    header.guard_count = parts.guards;
    header.line = parts.line;
    const u64 bytes = function_bytes(header);
    code_.shrink(0);
    for (u64 i = 0; i < words_for(bytes); ++i) code_.push(0);
    if (code_.failed()) return in.fail(kNoMemory), parts;
    *reinterpret_cast<FunctionHeader*>(code_.data()) = header;
    u32* words = reinterpret_cast<FunctionHeader*>(code_.data())->code();
    const u32 count = parts.words + parts.guards * (module::kGuardBytes / 4);
    for (u32 i = 0; i < count; ++i) words[i] = in.take32();
    return parts;
  }

  /// What the words of a function in a module name: objects of its unit.
  class ObjectNames final : public CodeNames {
   public:
    explicit ObjectNames(const Scratch<Object>& objects) : objects_(objects) {}
    const char* variable(u32 word) const override {
      return word < objects_.size() && objects_[word].kind == Kind::Var ? nullptr : "an unknown variable";
    }
    const char* constant(u64 words) const override {
      return words < objects_.size() && is_value(objects_[words]) ? nullptr : "an unknown constant";
    }
    const char* closure(u32 word, u32 captures) const override {
      if (word >= objects_.size() || objects_[word].kind != Kind::Function) return "an unknown function";
      return objects_[word].detail == captures ? nullptr : "a wrong number of captures";
    }
    bool ascending(u64, u64) const override { return true; }  // sorted when it is linked

   private:
    const Scratch<Object>& objects_;
  };

  void check_function(Cursor& in, Object& object) {
    const u64 start = in.at();
    const FunctionParts parts = take_function(in);
    if (!in.ok()) return;
    const auto other_than_nil = [&](u32 index) {
      return objects_[index].kind == Kind::Special && objects_[index].detail != payload_of(kNil);
    };
    if (other_than_nil(parts.names)) return in.fail(start, "no names of parameters");
    if (other_than_nil(parts.file)) return in.fail(start, "no name of a file");
    const FunctionHeader& function = *reinterpret_cast<const FunctionHeader*>(code_.data());
    const ObjectNames names(objects_);
    const Verdict verdict = verify_function(vm_, function, names);
    if (!verdict.ok()) return in.fail(parts.code_at + u64{verdict.word} * 4, verdict.why);
    check_names(in, function, names, parts.code_at);
    object.detail = function.captures;
    object.is_unit = function.parameters == 0 && function.variadic == 0 && function.captures == 0;
  }
  /// What is named by instructions that nothing reaches must exist too: it is linked.
  void check_names(Cursor& in, const FunctionHeader& function, const ObjectNames& names, u64 code_at) {
    const u32* code = function.code();
    for (u32 i = 0; i < function.code_words && in.ok(); i += instruction_words(code[i])) {
      module::each_name(code, i, [&](char what, u32 at) {
        const char* why = nullptr;
        if (what == 'v') {
          why = names.variable(code[at]);
        } else if (what == 'f') {
          why = names.closure(code[at], code[i] >> 24);
        } else {
          why = names.constant(u64{code[at + 1]} << 32 | code[at]);
        }
        if (why != nullptr) in.fail(code_at + u64{at} * 4, why);
      });
    }
  }

  // ── Linking: of objects that were checked ─────────────────────────────────────────────────────────────────
  Term take_term(Cursor& in) { return terms_[in.take32()]; }

  Term link_object(Cursor& in, const Object& object) {
    switch (object.kind) {
      case Kind::Special:
        return object.detail == module::kSpecialEmptyList ? kEmptyList : immediate(Immediate::Special, object.detail);
      case Kind::Char: return character(in.take32());
      case Kind::Integer: return link_integer(in);
      case Kind::Fixed: {
        const Width width = static_cast<Width>(in.take8());
        return number::make_fixed(vm_, width, in.take64());
      }
      case Kind::F32: return number::make_f32(in.take32());
      case Kind::F64: return number::make_f64(vm_, in.take64());
      case Kind::Ratio: {
        const Term numerator = take_term(in);
        return number::make_ratio(vm_, numerator, take_term(in));
      }
      case Kind::String: return make_string(vm_, in.take_text());
      case Kind::Binary: return make_binary(vm_, in.take_bytes());
      case Kind::Symbol:
      case Kind::Keyword: {
        const std::string_view space = in.take_text();
        const u64 record = name_intern(vm_, space, in.take_text());
        if (record == 0) return raise_oom(vm_, 8);
        return object.kind == Kind::Symbol ? symbol_term(vm_, record) : keyword_term(vm_, record);
      }
      case Kind::Native: return immediate(Immediate::Native, in.take32());
      case Kind::Var: {
        const Term space = take_term(in);
        return link_var(space, take_term(in));
      }
      case Kind::Namespace: {
        const Term name = take_term(in);
        const Term found = namespace_find(vm_, name);
        return found == kNone ? undefined(name) : found;
      }
      case Kind::Paddr:
      case Kind::Vaddr: {
        const Term address = make_object(vm_, object.kind == Kind::Paddr ? Type::Paddr : Type::Vaddr, 1);
        if (address != kRaised) vm_.object(address)[1] = in.take64();
        return address;
      }
      case Kind::List: {
        const u32 count = in.take32();
        Term list = kEmptyList;
        for (u32 i = 0; i < count; ++i) list = make_pair(vm_, take_term(in), list);
        return reverse_list(vm_, list, take_term(in));
      }
      case Kind::Tuple: {
        const u32 count = in.take32();
        const Term tuple = make_object(vm_, Type::Tuple, count);
        for (u32 i = 0; i < count && tuple != kRaised; ++i) vm_.object(tuple)[1 + i] = take_term(in);
        return tuple;
      }
      case Kind::Vector: {
        Scratch<Term> elements(vm_);
        const u32 count = in.take32();
        for (u32 i = 0; i < count; ++i) elements.push(take_term(in));
        return elements.failed() ? raise_oom(vm_, count) : make_vector(vm_, elements.data(), count);
      }
      case Kind::Map:
      case Kind::Set: {
        const bool map = object.kind == Kind::Map;
        Term made = map ? kEmptyMap : kEmptySet;
        for (u32 left = in.take32(); left > 0 && made != kRaised; --left) {
          const Term key = take_term(in);
          made = map_put(vm_, made, key, map ? take_term(in) : kNil);
        }
        return made;
      }
      case Kind::Meta: {
        const Term value = take_term(in);
        return with_metadata(vm_, value, take_term(in));
      }
      case Kind::Function: return link_function(in);
      case Kind::End: break;
    }
    UNREACHABLE("the kinds of objects");
  }

  Term link_integer(Cursor& in) {
    const u32 flags = in.take8();
    Scratch<u64> limbs(vm_);
    for (u32 left = in.take32(); left > 0; --left) limbs.push(in.take64());
    if (limbs.failed()) return raise_oom(vm_, limbs.size());
    return number::make_integer(vm_, {limbs.data(), limbs.size()}, (flags & module::kIntegerNegative) != 0,
                                (flags & module::kIntegerMarked) != 0);
  }

  Term undefined(Term name) {
    return raise(vm_, Atom::Undefined,
                 {{Atom::Symbol, name}, {Atom::Ns, namespace_record(vm_, current_namespace(vm_)).name}});
  }
  /// Variables of the namespace that is being loaded are made, as compiling a definition makes them; others must exist.
  Term link_var(Term space_name, Term name) {
    const Term space = namespace_find(vm_, space_name);
    const Term var = space == kNone ? kNone : var_find(vm_, space, name);
    if (var != kNone) return var;
    if (space != kNone && space == current_namespace(vm_)) return var_intern(vm_, space, name);
    const u64 full = name_intern(vm_, name_record(vm_, space_name).name(), name_record(vm_, name).name());
    return full == 0 ? raise_oom(vm_, 8) : undefined(symbol_term(vm_, full));
  }

  /// The object of a function that is in literals, whose code is wanted.
  u64 code_of(Term function) const { return static_cast<u64>(small_value(vm_.object(function)[1])); }

  Term link_function(Cursor& in) {
    const FunctionParts parts = take_function(in);
    if (!fault_.ok()) return fault_ = {}, raise_oom(vm_, parts.words);
    const FunctionHeader& draft = *reinterpret_cast<const FunctionHeader*>(code_.data());
    charge(vm_, draft.code_words / kInstructionsPerReduction);
    const u64 at = code_acquire(vm_, function_bytes(draft), PieceKind::Function);
    const u64 object = code_acquire(vm_, 16, PieceKind::Constant);
    const Term names = copy_to_literals(vm_, terms_[parts.names]);
    if (at == 0 || object == 0 || names == kNone) return raise_oom(vm_, parts.words);
    FunctionHeader& function = *vm_.at<FunctionHeader>(at);
    __builtin_memcpy(&function, &draft, function_bytes(draft));
    function.name = terms_[parts.name];
    function.source = names;
    const Term file = terms_[parts.file];
    function.file = file == kNil ? 0 : static_cast<u32>(payload_of(file) & 0xFFFFFFFF);
    u32* code = function.code();
    bool ok = true;
    for (u32 i = 0; i < function.code_words; i += instruction_words(code[i])) {
      module::each_name(code, i, [&](char what, u32 place) { ok = link_operand(code, what, place) && ok; });
      if (static_cast<Op>(code[i] & 0xFF) == Op::Switch) ok = sort_switch(code, i) && ok;
    }
    if (!ok || !function_register(vm_, at)) return raise_oom(vm_, parts.words);
    vm_.words(object)[0] = header(Type::Function, 1);
    vm_.words(object)[1] = small(static_cast<i64>(at));
    return refer(object, Tag::Boxed);
  }
  bool link_operand(u32* code, char what, u32 place) {
    Term& term = terms_[code[place]];
    if (what == 'v') {
      code[place] = static_cast<u32>(payload_of(term));
      return true;
    }
    if (what == 'f') {
      code[place] = static_cast<u32>(code_of(term) >> 3);
      return true;
    }
    const Term copy = copy_to_literals(vm_, term);
    if (copy == kNone) return false;
    term = copy;
    code[place] = static_cast<u32>(copy);
    code[place + 1] = static_cast<u32>(copy >> 32);
    return true;
  }
  /// A switch is searched by the words of its constants, which only this machine knows.
  bool sort_switch(u32* code, u32 at) {
    struct Entry {
      u32 words[2];
      u32 target;
      Term constant() const { return u64{words[1]} << 32 | words[0]; }
    };
    Scratch<Entry> entries(vm_);
    const u32 count = code[at] >> 16;
    for (u32 i = 0; i < count; ++i) {
      const u32 entry = at + 1 + i * kSwitchEntryWords;
      entries.push({{code[entry], code[entry + 1]}, entry + 2 + code[entry + 2]});
    }
    if (entries.failed()) return false;
    // total: by constant, then target
    std::sort(entries.data(), entries.data() + count, [](const Entry& a, const Entry& b) {
      return a.constant() != b.constant() ? a.constant() < b.constant() : a.target < b.target;
    });
    for (u32 i = 0; i < count; ++i) {
      const u32 entry = at + 1 + i * kSwitchEntryWords;
      code[entry] = entries[i].words[0];
      code[entry + 1] = entries[i].words[1];
      code[entry + 2] = entries[i].target - (entry + 2);
    }
    return true;
  }

  Vm& vm_;
  base::Bytes bytes_;
  ModuleFault& fault_;
  Scratch<Object> objects_;
  Scratch<Term> terms_;
  Scratch<u64> code_;  // the function being looked at
};

bool same(base::Bytes a, const u8 (&b)[module::kDigestBytes]) { return std::equal(a.begin(), a.end(), b); }

}  // namespace

bool module_begins(base::Bytes bytes) {
  return bytes.size() >= module::kMagicBytes &&
         std::equal(module::kMagic, module::kMagic + module::kMagicBytes, bytes.data());
}

ModuleUse module_check(Vm& vm, base::Bytes bytes, const base::Bytes* source, Scratch<u32>& units, ModuleFault& fault) {
  const auto refused = [&](u64 offset, const char* why) {
    if (fault.ok()) fault = {offset, why};
    return ModuleUse::Refused;
  };
  charge(vm, bytes.size() / kBytesPerReduction);
  if (!module_begins(bytes)) return refused(0, "no module begins like this");
  if (bytes.size() < module::kUnitsAt) return refused(bytes.size(), "it ends within its header");
  if (base::load_le64(bytes.data() + module::kVersionAt) != module::kVersion) return ModuleUse::OtherVersion;
  if (base::load_le64(bytes.data() + module::kSizeAt) != bytes.size() || bytes.size() > ~u32{0})
    return refused(module::kSizeAt, "it is not as long as it says");
  u8 digest[module::kDigestBytes];
  base::Sha256 all;
  all.add(bytes.first(module::kDigestAt));
  all.add(bytes.subspan(module::kUnitCountAt));
  all.finish(digest);
  if (!same(bytes.subspan(module::kDigestAt, module::kDigestBytes), digest))
    return refused(module::kDigestAt, "its bytes are not those that were written");
  if (source != nullptr) {
    base::Sha256 text;
    text.add(*source);
    text.finish(digest);
    if (!same(bytes.subspan(module::kSourceDigestAt, module::kDigestBytes), digest)) return ModuleUse::OtherSource;
  }
  const u32 count = base::load_le32(bytes.data() + module::kUnitCountAt);
  u64 at = module::kUnitsAt;
  for (u32 i = 0; i < count; ++i) {
    units.push(static_cast<u32>(at));
    at = UnitReader(vm, bytes, fault).check(at);
    if (!fault.ok()) return ModuleUse::Refused;
  }
  if (units.failed()) return refused(0, kNoMemory);
  return at == bytes.size() ? ModuleUse::Fits : refused(at, "bytes behind the last unit");
}

Term module_link(Vm& vm, base::Bytes bytes, u64 offset, ModuleFault& fault) {
  if (offset >= bytes.size() || bytes.size() > ~u32{0}) {
    fault = {offset, "a unit beyond the end"};
    return kRaised;
  }
  UnitReader reader(vm, bytes, fault);
  reader.check(offset);
  return fault.ok() ? reader.link() : kRaised;
}

}  // namespace lonala
