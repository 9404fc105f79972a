#include "vm/lonala/printer.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/code.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

// Kinds of items.
enum class What : u64 {
  Value,    // readable
  Display,  // as `str` has it
  Text,     // kTexts[index]
  Close,    // the same, which closes a collection
  List,     // elements of a collection, the next is number `index`
  Tuple,
  Vector,
  Joined,
  Bits,
  Entries,  // of a map, or of a node of one, the next is number `index`: kFirst and kSet added
  String,   // what is inside quotes, from byte `index` on
  Bytes,
  Raw,
  Digits,  // a long integer, begun
};
constexpr std::string_view kTexts[] = {" ", "/", ":", ")", "]", "}", "…", "N"};
enum TextId : u64 { kSpace, kSlash, kColon, kParenthesis, kBracket, kBrace, kMoreText, kMarked };
constexpr u64 kFirst = u64{1} << 62;  // no entry has been written before
constexpr u64 kSet = u64{1} << 61;
constexpr u64 kIndexMask = kSet - 1;
constexpr u64 kBytesPerItem = 1024;  // of a text that are written at once
constexpr u64 kLimbsAtOnce = 8;      // integers of so many are
constexpr char kDigitNames[] = "0123456789abcdefghijklmnopqrstuvwxyz";

/// Appends what `str` has of a small integer, character, short string or nil; false for anything else.
bool display_short(Vm& vm, Text& out, Term term) {
  if (is_small(term)) {
    number::print(vm, out, term);
  } else if (is_char(term)) {
    out.add_code_point(static_cast<u32>(payload_of(term)));
  } else if (is_string(vm, term) && string_text(vm, term).size() <= kBytesPerItem) {
    out.add(string_text(vm, term));
  } else {
    return term == kNil;
  }
  return true;
}

class Printer {
 public:
  Printer(Vm& vm, Text& out, PrintLimits limits, PrintWork& work)
      : vm_(vm), out_(out), limits_(limits), work_(work), items_(vm, work.kept[1]) {}

  void push(What what, Term term = kNil, u64 index = 0) { items_.push({static_cast<u64>(what), term, index}); }
  /// False: the slice is over.
  bool run(bool charged, bool stops) {
    while (!items_.empty() && !items_.failed() && !out_.failed()) {
      const PrintItem item = items_.back();
      items_.pop();
      step(item);
      if (!charged) continue;
      work_.words += 1;
      charge(vm_, work_.products / kLimbProductsPerReduction);
      const bool pause = work_.products >= kLimbProductsPerReduction && stops && slice_over(vm_);
      work_.products %= kLimbProductsPerReduction;
      if (!goes_on(vm_, work_.words, stops) || pause) return false;
    }
    work_.failed |= failed();
    return true;
  }
  bool failed() const { return items_.failed() || out_.failed(); }
  void begin_digits(number::Limbs limbs, u32 base) {
    Scratch<u64> rest(vm_, work_.kept[2]);
    rest.shrink(0);
    for (const u64 limb : limbs) rest.push(limb);
    work_.base = base;
    work_.failed |= rest.failed();
    if (limbs.empty()) return out_.add('0');
    if (!rest.failed()) push(What::Digits);
  }

 private:
  static constexpr char kHex[] = "0123456789ABCDEF";
  static constexpr std::string_view kMore = kTexts[kMoreText];

  void step(const PrintItem& item) {
    switch (static_cast<What>(item.what)) {
      case What::Value: return value(item.term);
      case What::Display: return display_value(item.term);
      case What::Text: return out_.add(kTexts[item.index]);
      case What::Close:
        out_.add(kTexts[item.index]);
        work_.depth -= 1;
        return;
      case What::List:
        if (!is_pair(item.term) || !separate(item)) return;
        push(What::List, tail(vm_, item.term), item.index + 1);
        return value(head(vm_, item.term));
      case What::Tuple:
        if (item.index >= tuple_count(vm_, item.term) || !separate(item)) return;
        push(What::Tuple, item.term, item.index + 1);
        return value(tuple_at(vm_, item.term, item.index));
      case What::Vector:
        if (item.index >= vector_count(vm_, item.term) || !separate(item)) return;
        push(What::Vector, item.term, item.index + 1);
        return value(vector_at(vm_, item.term, item.index));
      case What::Joined:
        if (!is_pair(item.term)) return;
        push(What::Joined, tail(vm_, item.term), 1);
        push(What::Display, head(vm_, item.term));
        if (item.index > 0 && !display_short(vm_, out_, work_.separator)) push(What::Raw, work_.separator);
        return;
      case What::Bits: return bits(item);
      case What::Entries: return next_entry(item);
      case What::String: return string(item);
      case What::Bytes: return bytes(item);
      case What::Raw: {
        const std::string_view text = string_text(vm_, item.term);
        out_.add(text.substr(item.index, kBytesPerItem));
        work_.words += kBytesPerItem / kBytesPerReduction * kWordsPerReduction;
        if (item.index + kBytesPerItem < text.size()) push(What::Raw, item.term, item.index + kBytesPerItem);
        return;
      }
      case What::Digits: return digits();
    }
  }

  /// Writes the space before an element; false if this one is one too many.
  bool separate(const PrintItem& item) {
    if (item.index > 0) out_.add(' ');
    return !cut(item.index);
  }

  void display_value(Term term) {
    if (display_short(vm_, out_, term)) return;
    if (!is_string(vm_, term)) return value(term);
    push(What::Raw, term);
  }

  /// Whether this element is one too many.
  bool cut(u64 index) {
    if (index < limits_.length) return false;
    out_.add(kMore);
    return true;
  }
  /// Begins a collection; false: it lies too deep, and only says so.
  bool open(std::string_view opener, TextId closer) {
    out_.add(opener);
    if (work_.depth >= limits_.depth) {
      out_.add(kMore);
      out_.add(kTexts[closer]);
      return false;
    }
    work_.depth += 1;
    push(What::Close, kNil, closer);
    return true;
  }
  void later(TextId text) { push(What::Text, kNil, text); }

  /// The elements of a `bits*` form: segments are tuples of value, size and modifiers.
  void bits(const PrintItem& item) {
    if (!is_pair(item.term)) return;
    if (item.index > 0) out_.add(' ');
    push(What::Bits, tail(vm_, item.term), item.index + 1);
    const Term segment = head(vm_, item.term);
    if (!is_tuple(segment) || tuple_count(vm_, segment) != 3) return value(segment);
    Scratch<Term> modifiers(vm_);
    for (Term list = tuple_at(vm_, segment, 2); is_pair(list); list = tail(vm_, list)) modifiers.push(head(vm_, list));
    for (u64 i = modifiers.size(); i > 0; --i) {
      push(What::Value, is_keyword(modifiers[i - 1]) ? symbol_of(modifiers[i - 1]) : modifiers[i - 1]);
      later(kSlash);
    }
    if (tuple_at(vm_, segment, 1) != kNil) {
      push(What::Value, tuple_at(vm_, segment, 1));
      later(kColon);
    }
    value(tuple_at(vm_, segment, 0));
  }
  static Term symbol_of(Term keyword) { return immediate(Immediate::Symbol, payload_of(keyword)); }

  void entries(Term map, bool set) {
    if (map_count(vm_, map) == 0) return;
    if (limits_.length == ~u64{0}) {
      const u64* words = vm_.object(map);
      const bool flat = type_of_header(words[0]) == Type::Map || type_of_header(words[0]) == Type::Set;
      return push(What::Entries, flat ? map : words[2], kFirst | (set ? kSet : 0));
    }
    const u64 start = items_.size();
    u64 count = 0;
    map_each(vm_, map, [&](Term key, Term value) {
      if (count > limits_.length) return;
      if (count > 0) later(kSpace);
      count += 1;
      if (count > limits_.length) return later(kMoreText);
      push(What::Value, key);
      if (set) return;
      later(kSpace);
      push(What::Value, value);
    });
    for (u64 i = start, j = items_.size(); i + 1 < j; ++i) {
      j -= 1;
      std::swap(items_[i], items_[j]);
    }
  }

  void next_entry(const PrintItem& item) {
    const u64* words = vm_.object(item.term);
    const Type type = type_of_header(words[0]);
    const u64 index = item.index & kIndexMask;
    const u64 set = item.index & kSet;
    const auto entry = [&](Term key, Term held) {
      if ((item.index & kFirst) == 0) out_.add(' ');
      if (set == 0) {
        push(What::Value, held);
        later(kSpace);
      }
      value(key);
    };
    if (type == Type::Map || type == Type::Set) {
      if (index + 1 < map_count(vm_, item.term)) push(What::Entries, item.term, (index + 1) | set);
      return entry(words[1 + 2 * index], words[2 + 2 * index]);
    }
    const u64 from = type == Type::MapNode ? 2 : 1;
    if (from + index < words_of_header(words[0])) push(What::Entries, item.term, (index + 1) | set);
    const Term child = words[from + index];
    if (is_pair(child)) return entry(head(vm_, child), tail(vm_, child));
    push(What::Entries, child, (item.index & kFirst) | set);
  }

  void name(const NameRecord& record) {
    if (record.space_bytes != 0) {
      out_.add(record.space());
      out_.add('/');
    }
    out_.add(record.name());
  }

  void control(u32 code) {
    out_.add("\\u00");
    out_.add(kHex[code >> 4 & 15]);
    out_.add(kHex[code & 15]);
  }

  void character_text(u32 code) {
    const std::string_view known = name_of_character(code);
    if (!known.empty()) {
      out_.add('\\');
      return out_.add(known);
    }
    if (code < 32 || (code >= 127 && code < 160)) return control(code);
    out_.add('\\');
    out_.add_code_point(code);
  }

  void string(const PrintItem& item) {
    const std::string_view text = string_text(vm_, item.term);
    if (item.index == 0) out_.add('"');
    for (const char c : text.substr(item.index, kBytesPerItem)) {
      const u32 code = static_cast<u8>(c);
      switch (c) {
        case '\n': out_.add("\\n"); break;
        case '\r': out_.add("\\r"); break;
        case '\t': out_.add("\\t"); break;
        case '"': out_.add("\\\""); break;
        case '\\': out_.add("\\\\"); break;
        default:
          if (code < 32 || code == 127) {
            control(code);
          } else {
            out_.add(c);
          }
      }
    }
    if (item.index + kBytesPerItem >= text.size()) return out_.add('"');
    work_.words += kBytesPerItem / kBytesPerReduction * kWordsPerReduction;
    push(What::String, item.term, item.index + kBytesPerItem);
  }

  void bytes(const PrintItem& item) {
    const base::Bytes all = binary_bytes(vm_, item.term);
    const u64 end = std::min(all.size(), item.index + kBytesPerItem);
    if (item.index == 0) out_.add("#bytes[");
    for (u64 i = item.index; i < end; ++i) {
      out_.add(i == 0 ? "0x" : " 0x");
      out_.add(kHex[all[i] >> 4]);
      out_.add(kHex[all[i] & 15]);
    }
    if (end == all.size()) return out_.add(']');
    work_.words += kBytesPerItem / kBytesPerReduction * kWordsPerReduction;
    push(What::Bytes, item.term, end);
  }

  /// Takes the last digits off the integer, as many as fit a limb.
  void digits() {
    Scratch<u64> rest(vm_, work_.kept[2]);
    Scratch<char> all(vm_, work_.kept[3]);
    u64 chunk = work_.base;
    u32 chunk_digits = 1;
    for (; chunk <= ~u64{0} / work_.base; ++chunk_digits) chunk *= work_.base;
    work_.products += 2 * rest.size();
    u64 value = number::divide_small(rest.data(), rest.size(), chunk);
    rest.shrink(number::trimmed(rest.data(), rest.size()));
    for (u32 i = 0; i < chunk_digits && (!rest.empty() || value != 0); ++i, value /= work_.base) {
      all.push(kDigitNames[value % work_.base]);
    }
    work_.failed |= all.failed();
    if (!rest.empty() && !all.failed()) return push(What::Digits);
    for (u64 i = all.size(); i > 0; --i) out_.add(all[i - 1]);
    all.shrink(0);
  }

  void integer(Term term) {
    const number::Integer x(vm_, term);
    if (x.count <= kLimbsAtOnce) return number::print(vm_, out_, term);
    if (x.negative) out_.add('-');
    if (x.marked) later(kMarked);
    begin_digits(x.magnitude(), 10);
  }

  void function(Term term) {
    const FunctionHeader& code = *vm_.at<FunctionHeader>(static_cast<u64>(small_value(vm_.object(term)[1])));
    out_.add("#<fn ");
    value(code.name);
    out_.add('/');
    out_.add_number(code.parameters);
    out_.add(code.variadic != 0 ? "+>" : ">");
  }

  void address(std::string_view kind, u64 value) {
    const number::Limbs limbs{&value, value != 0 ? u64{1} : u64{0}};
    out_.add(kind);
    number::print_magnitude(vm_, out_, limbs, 16);
    out_.add('>');
  }

  void immediate_value(Term term) {
    switch (static_cast<Immediate>(term >> 3 & 31)) {
      case Immediate::Special:
        return out_.add(term == kNil ? "nil" : term == kTrue ? "true" : term == kFalse ? "false" : "#<unbound>");
      case Immediate::Empty: return out_.add(term == kEmptyList ? "()" : term == kEmptyMap ? "%{}" : "#{}");
      case Immediate::Char: return character_text(static_cast<u32>(payload_of(term)));
      case Immediate::F32:
      case Immediate::Fixed: return number::print(vm_, out_, term);
      case Immediate::Native:
        out_.add("#<native ");
        out_.add(native_space(static_cast<u32>(payload_of(term))));
        out_.add('/');
        out_.add(native_name(static_cast<u32>(payload_of(term))));
        return out_.add('>');
      case Immediate::Keyword: out_.add(':'); [[fallthrough]];
      case Immediate::Symbol: return name(name_record(vm_, term));
      case Immediate::Var: {
        const VarRecord& var = var_record(vm_, term);
        out_.add("#'");
        name(name_record(vm_, namespace_record(vm_, var.space).name));
        out_.add('/');
        return name(name_record(vm_, var.name));
      }
      case Immediate::Namespace:
        out_.add("#<ns ");
        name(name_record(vm_, namespace_record(vm_, term).name));
        return out_.add('>');
      case Immediate::Ref:
        out_.add("#ref<0/");
        out_.add_number(payload_of(term));
        return out_.add('>');
      case Immediate::Timer: return out_.add("#<timer>");
      case Immediate::Link: return out_.add("#<link>");
    }
  }

  void value(Term term) {
    switch (tag_of(term)) {
      case Tag::Small: return number::print(vm_, out_, term);
      case Tag::Pair:
        if (head(vm_, term) == symbol(vm_, Atom::BitsStar)) {
          out_.add("#bits[");
          later(kBracket);
          return push(What::Bits, tail(vm_, term));
        }
        if (head(vm_, term) == symbol(vm_, Atom::BytesStar)) {
          out_.add("#bytes[");
          later(kBracket);
          return push(What::List, tail(vm_, term));
        }
        if (open("(", kParenthesis)) push(What::List, term);
        return;
      case Tag::Tuple:
        if (open("[", kBracket)) push(What::Tuple, term);
        return;
      case Tag::Pid:
        out_.add("#pid<0/");
        out_.add_number(u64{generation_of(term)} << 30 | slot_of(term));
        return out_.add('>');
      case Tag::Immediate: return immediate_value(term);
      case Tag::Boxed: break;
      case Tag::Forward:
      case Tag::Header: UNREACHABLE("a value is neither a forwarding word nor a header");
    }
    switch (type_of_header(vm_.object(term)[0])) {
      case Type::Bignum: return integer(term);
      case Type::F64:
      case Type::Fixed: return number::print(vm_, out_, term);
      case Type::Ratio:
        push(What::Value, vm_.object(term)[2]);
        later(kSlash);
        return value(vm_.object(term)[1]);
      case Type::String: return string({0, term, 0});
      case Type::Binary:
      case Type::Shared:
      case Type::Slice: return bytes({0, term, 0});
      case Type::Vector:
      case Type::Trie:
      case Type::Rope:
      case Type::View:
        if (open("{", kBrace)) push(What::Vector, term);
        return;
      case Type::Map:
      case Type::HashMap:
        if (open("%{", kBrace)) entries(term, false);
        return;
      case Type::Set:
      case Type::HashSet:
        if (open("#{", kBrace)) entries(term, true);
        return;
      case Type::Symbol: return name(name_record(vm_, plain_symbol(vm_, term)));
      case Type::Function: return function(term);
      case Type::Paddr: return address("#paddr<0x", vm_.object(term)[1]);
      case Type::Vaddr: return address("#vaddr<0x", vm_.object(term)[1]);
      case Type::Bytebuf:
        out_.add("#<bytebuf ");
        out_.add_number(vm_.object(term)[2]);
        return out_.add('>');
      case Type::RealmId:
        out_.add("#realm-id<");
        for (u64 i = 1; i <= words_of_header(vm_.object(term)[0]); ++i) {
          if (i > 1) out_.add('.');
          number::print(vm_, out_, vm_.object(term)[i]);
        }
        return out_.add('>');
      default: return out_.add("#<object>");
    }
  }

  Vm& vm_;
  Text& out_;
  PrintLimits limits_;
  PrintWork& work_;
  Scratch<PrintItem> items_;
};

constexpr u64 kCopiedPerStep = 4096;
static_assert(kCopiedPerStep / kBytesPerReduction <= kStepReductions);

/// Prints what `begin` asks for into a text of its own, in steps.
template <class Begin>
Term print_in_steps(Vm& vm, Begin begin) {
  PrintWork work{};
  {
    Text out(vm, work.kept[0]);
    Printer printer(vm, out, {}, work);
    begin(printer);
    work.failed |= printer.failed();
  }
  return work_do(vm, work);
}

}  // namespace

Term PrintWork::run(Vm& vm, bool stops) {
  Text out(vm, kept[0]);
  if (made == 0) {
    if (!Printer(vm, out, {}, *this).run(true, stops)) return kNone;
    if (failed != 0 || heap_failed(vm)) return raise_oom(vm, out.size() / 8);
    if (out.size() <= kCopiedPerStep) return make_string(vm, out.view());
    made = make_object(vm, Type::String, 2 + words_for(out.size()));
    if (made == kRaised) return kRaised;
    vm.object(made)[2 + words_for(out.size())] = 0;  // what follows the text in its last word
  }
  while (copied < out.size()) {
    const std::string_view piece = out.view().substr(copied, kCopiedPerStep);
    memcpy(reinterpret_cast<char*>(vm.object(made) + 3) + copied, piece.data(), piece.size());
    for (const char c : piece) characters += (static_cast<u8>(c) & 0xC0) != 0x80;
    copied += piece.size();
    charge(vm, piece.size() / kBytesPerReduction);
    if (stops && copied < out.size() && slice_over(vm)) return kNone;
  }
  u64* object = vm.object(made);
  object[0] = header(Type::String, 2 + words_for(copied), characters == copied ? kAscii : 0);
  object[1] = copied;
  object[2] = characters;
  return made;
}

void print(Vm& vm, Text& out, Term term, PrintLimits limits) {
  PrintWork work{};
  {
    Printer printer(vm, out, limits, work);
    printer.push(What::Value, term);
    printer.run(false, false);
  }
  work_release(vm, work.kept, PrintWork::kKeptCount);
}

Term print_string(Vm& vm, Term term) {
  return print_in_steps(vm, [&](Printer& printer) { printer.push(What::Value, term); });
}

Term display_string(Vm& vm, Args args) {
  {
    Text out(vm);
    u32 next = 0;
    while (next < args.count && display_short(vm, out, args[next])) next += 1;
    if (next == args.count) return out.failed() ? raise_oom(vm, out.size() / 8) : make_string(vm, out.view());
  }
  return print_in_steps(vm, [&](Printer& printer) {
    for (u32 i = args.count; i > 0; --i) printer.push(What::Display, args[i - 1]);
  });
}

Term join_string(Vm& vm, Term separator, Term list) {
  PrintWork work{};
  work.separator = separator;
  const PrintItem all{static_cast<u64>(What::Joined), list, 0};
  if (!Scratch<PrintItem>(vm, work.kept[1]).push(all)) return raise_oom(vm, 8);
  return work_do(vm, work);
}

Term digits_string(Vm& vm, Term natural, u32 base) {
  return print_in_steps(vm, [&](Printer& printer) {
    const number::Integer x(vm, natural);
    printer.begin_digits(x.magnitude(), base);
  });
}

}  // namespace lonala
