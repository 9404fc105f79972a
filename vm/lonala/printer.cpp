#include "vm/lonala/printer.h"

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

/// What is still to be written, innermost last.
struct Item {
  enum class What : u64 { Value, Text, Close, List, Tuple, Vector, Bits } what;
  const char* text;  // a literal, for Text
  Term term;
  u64 index;
};

class Printer {
 public:
  Printer(Vm& vm, Text& out, PrintLimits limits) : vm_(vm), out_(out), limits_(limits), items_(vm) {}

  void run(Term term) {
    value(term);
    while (!items_.empty() && !items_.failed() && !out_.failed()) {
      const Item item = items_.back();
      items_.pop();
      switch (item.what) {
        case Item::What::Value: value(item.term); break;
        case Item::What::Text: out_.add(std::string_view(item.text)); break;
        case Item::What::Close:
          out_.add(std::string_view(item.text));
          depth_ -= 1;
          break;
        case Item::What::List:
          if (!is_pair(item.term)) break;
          if (item.index > 0) out_.add(' ');
          if (cut(item.index)) break;
          items_.push({Item::What::List, nullptr, tail(vm_, item.term), item.index + 1});
          value(head(vm_, item.term));
          break;
        case Item::What::Tuple:
          if (item.index >= tuple_count(vm_, item.term)) break;
          if (item.index > 0) out_.add(' ');
          if (cut(item.index)) break;
          items_.push({Item::What::Tuple, nullptr, item.term, item.index + 1});
          value(tuple_at(vm_, item.term, item.index));
          break;
        case Item::What::Vector:
          if (item.index >= vector_count(vm_, item.term)) break;
          if (item.index > 0) out_.add(' ');
          if (cut(item.index)) break;
          items_.push({Item::What::Vector, nullptr, item.term, item.index + 1});
          value(vector_at(vm_, item.term, item.index));
          break;
        case Item::What::Bits: bits(item); break;
      }
    }
  }

 private:
  static constexpr std::string_view kMore = "…";

  /// Whether this element is one too many.
  bool cut(u64 index) {
    if (index < limits_.length) return false;
    out_.add(kMore);
    return true;
  }
  /// Begins a collection; false: it lies too deep, and only says so.
  bool open(const char* opener, const char* closer) {
    out_.add(std::string_view(opener));
    if (depth_ >= limits_.depth) {
      out_.add(kMore);
      out_.add(std::string_view(closer));
      return false;
    }
    depth_ += 1;
    items_.push({Item::What::Close, closer, kNil, 0});
    return true;
  }
  void later(const char* text) { items_.push({Item::What::Text, text, kNil, 0}); }

  /// The elements of a `bits*` form: segments are tuples of value, size and modifiers.
  void bits(const Item& item) {
    if (!is_pair(item.term)) return;
    if (item.index > 0) out_.add(' ');
    items_.push({Item::What::Bits, nullptr, tail(vm_, item.term), item.index + 1});
    const Term segment = head(vm_, item.term);
    if (!is_tuple(segment) || tuple_count(vm_, segment) != 3) return value(segment);
    Scratch<Term> modifiers(vm_);
    for (Term list = tuple_at(vm_, segment, 2); is_pair(list); list = tail(vm_, list)) modifiers.push(head(vm_, list));
    for (u64 i = modifiers.size(); i > 0; --i) {
      items_.push({Item::What::Value, nullptr,
                   is_keyword(modifiers[i - 1]) ? symbol_of(modifiers[i - 1]) : modifiers[i - 1], 0});
      later("/");
    }
    if (tuple_at(vm_, segment, 1) != kNil) {
      items_.push({Item::What::Value, nullptr, tuple_at(vm_, segment, 1), 0});
      later(":");
    }
    value(tuple_at(vm_, segment, 0));
  }
  static Term symbol_of(Term keyword) { return immediate(Immediate::Symbol, payload_of(keyword)); }

  void entries(Term map, bool set) {
    const u64 start = items_.size();
    u64 count = 0;
    map_each(vm_, map, [&](Term key, Term value) {
      if (count > limits_.length) return;
      if (count > 0) later(" ");
      count += 1;
      if (count > limits_.length) return later(kMore.data());
      items_.push({Item::What::Value, nullptr, key, 0});
      if (set) return;
      later(" ");
      items_.push({Item::What::Value, nullptr, value, 0});
    });
    for (u64 i = start, j = items_.size(); i + 1 < j; ++i) {
      j -= 1;
      std::swap(items_[i], items_[j]);
    }
  }

  void name(const NameRecord& record) {
    if (record.space_bytes != 0) {
      out_.add(record.space());
      out_.add('/');
    }
    out_.add(record.name());
  }

  void control(u32 code) {
    static constexpr char kHex[] = "0123456789ABCDEF";
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

  void string(Term term) {
    out_.add('"');
    const std::string_view text = string_text(vm_, term);
    u64 plain = 0;  // from here on nothing needs an escape
    for (u64 i = 0; i < text.size(); ++i) {
      const u32 code = static_cast<u8>(text[i]);
      if (code >= 32 && code != '"' && code != '\\' && code != 127) continue;
      out_.add(text.substr(plain, i - plain));
      plain = i + 1;
      switch (text[i]) {
        case '\n': out_.add("\\n"); break;
        case '\r': out_.add("\\r"); break;
        case '\t': out_.add("\\t"); break;
        case '"': out_.add("\\\""); break;
        case '\\': out_.add("\\\\"); break;
        default: control(code);
      }
    }
    out_.add(text.substr(plain));
    out_.add('"');
  }

  void binary(Term term) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    out_.add("#bytes[");
    bool first = true;
    for (const u8 byte : binary_bytes(vm_, term)) {
      const char text[] = {' ', '0', 'x', kHex[byte >> 4], kHex[byte & 15]};
      out_.add(std::string_view(text + first, sizeof(text) - first));
      first = false;
    }
    out_.add(']');
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
          later("]");
          items_.push({Item::What::Bits, nullptr, tail(vm_, term), 0});
          return;
        }
        if (head(vm_, term) == symbol(vm_, Atom::BytesStar)) {
          out_.add("#bytes[");
          later("]");
          items_.push({Item::What::List, nullptr, tail(vm_, term), 0});
          return;
        }
        if (open("(", ")")) items_.push({Item::What::List, nullptr, term, 0});
        return;
      case Tag::Tuple:
        if (open("[", "]")) items_.push({Item::What::Tuple, nullptr, term, 0});
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
      case Type::Bignum:
      case Type::F64:
      case Type::Fixed:
      case Type::Ratio: return number::print(vm_, out_, term);
      case Type::String: return string(term);
      case Type::Binary:
      case Type::Shared:
      case Type::Slice: return binary(term);
      case Type::Vector:
      case Type::Trie:
      case Type::Rope:
      case Type::View:
        if (open("{", "}")) items_.push({Item::What::Vector, nullptr, term, 0});
        return;
      case Type::Map:
      case Type::HashMap:
        if (open("%{", "}")) entries(term, false);
        return;
      case Type::Set:
      case Type::HashSet:
        if (open("#{", "}")) entries(term, true);
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
  u64 depth_ = 0;
  Scratch<Item> items_;
};

}  // namespace

void print(Vm& vm, Text& out, Term term, PrintLimits limits) { Printer(vm, out, limits).run(term); }

void display(Vm& vm, Text& out, Term term) {
  if (term == kNil) return;
  if (is_char(term)) return out.add_code_point(static_cast<u32>(payload_of(term)));
  if (is_string(vm, term)) return out.add(string_text(vm, term));
  print(vm, out, term);
}

Term print_string(Vm& vm, Term term) {
  Text out(vm);
  print(vm, out, term);
  if (out.failed()) return raise_oom(vm, out.size() / 8);
  return make_string(vm, out.view());
}

}  // namespace lonala
