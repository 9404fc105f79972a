#include "vm/lonala/reader.h"

#include <algorithm>

#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

bool is_digit(u32 c) { return c >= '0' && c <= '9'; }
bool is_delimiter(u32 c) {
  return c == 0 || is_white_space(c) || c == '(' || c == ')' || c == '[' || c == ']' || c == '{' || c == '}' ||
         c == '"' || c == ';' || c == '^' || c == '~' || c == '\\' || c == '`';
}

}  // namespace

bool is_white_space(u32 c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == ',' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

Reader::Reader(Vm& vm, std::string_view text, TextPlace start)
    : vm_(vm), text_(text), line_(start.line), column_(start.column), frames_(vm), values_(vm) {
  for (u64 i = start.valid ? text.size() : 0; i < text.size();) {
    const base::DecodedCharacter c = base::decode_utf8(text, i);
    if (!c.valid) {
      bad_byte_ = i;
      break;
    }
    i += c.length;
  }
  if (start.line != 1 || start.column != 1) return;
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  if (text_.substr(at_).starts_with("#!")) skip_line();
}

Reader::Reader(Vm& vm, std::string_view text, Kept& frames, Kept& values, const ReaderPlace& place)
    : vm_(vm),
      text_(text),
      at_(place.at),
      line_(place.line),
      column_(place.column),
      form_line_(place.form_line),
      form_start_(place.form_start),
      bad_byte_(place.bad_byte),
      inside_(place.inside != 0),
      frames_(vm, frames),
      values_(vm, values) {}

ReaderPlace Reader::stopped_at() const {
  return {at_, line_, column_, form_line_, form_start_, bad_byte_, inside_ ? u64{1} : u64{0}};
}

u32 Reader::peek(u64 ahead) const {
  u64 at = at_;
  for (; ahead > 0 && at < text_.size(); --ahead) at += base::decode_utf8(text_, at).length;
  return at < text_.size() ? base::decode_utf8(text_, at).code_point : 0;
}

void Reader::advance() {
  if (at_ >= text_.size()) return;
  if (text_[at_] == '\n') {
    line_ += 1;
    column_ = 0;
  }
  at_ += base::decode_utf8(text_, at_).length;
  column_ += 1;
}

void Reader::skip_line() {
  while (at_ < text_.size() && text_[at_] != '\n') advance();
  advance();
}

void Reader::skip_space() {
  while (at_ < text_.size()) {
    const u32 c = peek();
    if (c == ';') {
      while (at_ < text_.size() && text_[at_] != '\n') advance();
    } else if (is_white_space(c)) {
      advance();
    } else {
      return;
    }
  }
}

bool Reader::at_delimiter() const { return at_ >= text_.size() || is_delimiter(peek()); }

bool Reader::in_bits() const {
  if (frames_.empty()) return false;
  const Kind kind = frames_[frames_.size() - 1].kind;
  return kind == Kind::Bits || kind == Kind::BitsSize;
}

std::string_view Reader::token() {
  const u64 start = at_;
  const bool bits = in_bits();
  while (at_ < text_.size() && !at_delimiter()) {
    const char c = text_[at_];
    if (bits && (c == ':' || c == '/') && at_ > start) break;
    advance();
  }
  return text_.substr(start, at_ - start);
}

Term Reader::fail_at(Atom kind, std::string_view text, u64 line, u64 column) {
  return raise(vm_, kind,
               {{Atom::Line, small(static_cast<i64>(line))},
                {Atom::Column, small(static_cast<i64>(column))},
                {Atom::Text, make_string(vm_, text)}});
}
Term Reader::fail(Atom kind, std::string_view text) { return fail_at(kind, text, token_line_, token_column_); }

void Reader::open(Kind kind) {
  frames_.push({.kind = kind, .values = values_.size(), .line = token_line_, .column = token_column_});
}

u32 Reader::syntax_depth() const {
  u32 depth = 0;
  for (u64 i = 0; i < frames_.size(); ++i) {
    if (frames_[i].kind == Kind::SyntaxQuote) depth += 1;
    if ((frames_[i].kind == Kind::Unquote || frames_[i].kind == Kind::Splice) && depth > 0) depth -= 1;
  }
  return depth;
}

Reader::Frame* Reader::anonymous() {
  for (u64 i = frames_.size(); i > 0; --i) {
    if (frames_[i - 1].kind == Kind::AnonymousFn) return &frames_[i - 1];
  }
  return nullptr;
}

std::optional<Reader::Outcome> Reader::next(Term& form, u64 until) {
  if (!inside_) {
    frames_.shrink(0);
    values_.shrink(0);
    skip_space();
    form_line_ = line_;
    form_start_ = at_;
  }
  inside_ = false;
  for (;;) {
    skip_space();
    token_line_ = line_;
    token_column_ = column_;
    if (at_ >= bad_byte_) {
      raise(vm_, Atom::InvalidUtf8, {{Atom::Offset, small(static_cast<i64>(bad_byte_))}});
      at_ = text_.size();
      return Outcome::Error;
    }
    if (at_ >= text_.size()) {
      if (frames_.empty()) return Outcome::End;
      const Frame& frame = frames_[0];
      static constexpr std::string_view kOpeners[] = {"(",  "[", "{", "%{", "#{", "#(", "#bytes[", "#bits[", "'",
                                                      "#'", "`", "~", "~@", "#_", "^",  "^",       ":"};
      fail_at(Atom::UnexpectedEof, kOpeners[static_cast<u8>(frame.kind)], frame.line, frame.column);
      return Outcome::Error;
    }
    bool produced = true;
    Term value = step(produced);
    if (value == kRaised) return Outcome::Error;
    if (produced) value = deliver(value);
    if (value == kRaised || values_.failed() || frames_.failed() || heap_failed(vm_)) {
      if (value != kRaised) raise_oom(vm_, values_.size());
      return Outcome::Error;
    }
    if (frames_.empty() && !values_.empty()) {
      form = values_[0];
      return Outcome::Form;
    }
    if (frames_.empty()) form_line_ = line_;
    if (at_ >= until) {
      inside_ = true;
      return std::nullopt;
    }
  }
}

Term ReadWork::run(Vm& vm, bool stops) {
  const std::string_view all = string_text(vm, text);
  if (begun == 0) place = Reader(vm, all).stopped_at();
  begun = 1;
  Reader reader(vm, all, kept[0], kept[1], place);
  for (;;) {
    Term form = kNil;
    const std::optional<Reader::Outcome> outcome = reader.next(form, reader.place().offset + kBytesPerStep);
    const u64 cost = reader.place().offset / kCharactersPerReduction;
    charge(vm, cost - charged);
    charged = cost;
    if (outcome == Reader::Outcome::Error) return kRaised;
    if (outcome == Reader::Outcome::End) {
      if (forms != kNone) return reverse_list(vm, forms);
      return raise(vm, Atom::UnexpectedEof,
                   {{Atom::Line, small(1)}, {Atom::Column, small(1)}, {Atom::Text, make_string(vm, "")}});
    }
    if (outcome == Reader::Outcome::Form) {
      if (forms == kNone) return form;
      forms = make_pair(vm, form, forms);
    }
    if (!goes_on_making(vm, stops)) {
      place = reader.stopped_at();
      return kNone;
    }
  }
}

/// One token, opener or closer. `produced` is cleared when it only opened something.
Term Reader::step(bool& produced) {
  const auto begin = [&](Kind kind, u32 length) -> Term {
    for (u32 i = 0; i < length; ++i) advance();
    open(kind);
    produced = false;
    return kNil;
  };
  const u32 c = peek();
  switch (c) {
    case '(': return begin(Kind::List, 1);
    case '[': return begin(Kind::Tuple, 1);
    case '{': {
      const bool metadata = !frames_.empty() && frames_.back().kind == Kind::Metadata;
      return begin(metadata ? Kind::Map : Kind::Vector, 1);
    }
    case ')':
    case ']':
    case '}': return close(static_cast<char>(c));
    case '"': return read_string();
    case '\\': return read_character();
    case '\'': return begin(Kind::Quote, 1);
    case '`': return begin(Kind::SyntaxQuote, 1);
    case '~':
      if (syntax_depth() == 0) {
        advance();
        return fail(Atom::InvalidToken, "~");
      }
      return peek(1) == '@' ? begin(Kind::Splice, 2) : begin(Kind::Unquote, 1);
    case '^': return begin(Kind::Metadata, 1);
    case '%':
      if (peek(1) == '{') return begin(Kind::Map, 2);
      break;
    case '#': {
      const u32 second = peek(1);
      switch (second) {
        case '{': return begin(Kind::Set, 2);
        case '\'': return begin(Kind::VarQuote, 2);
        case '_': return begin(Kind::Discard, 2);
        case '(':
          if (anonymous() != nullptr) {
            advance();
            advance();
            return fail(Atom::NestedAnonFn, "#(");
          }
          return begin(Kind::AnonymousFn, 2);
        default: break;
      }
      const std::string_view rest = text_.substr(at_);
      if (rest.starts_with("#bytes[")) return begin(Kind::Bytes, 7);
      if (rest.starts_with("#bits[")) return begin(Kind::Bits, 6);
      return dispatch();
    }
    default: break;
  }
  return read_token();
}

Term Reader::dispatch() {
  const std::string_view rest = text_.substr(at_);
  const auto skip = [&](u32 count) {
    for (u32 i = 0; i < count; ++i) advance();
  };
  if (rest.starts_with("##")) {
    skip(2);
    const std::string_view name = token();
    if (name == "Inf") return number::make_f64(vm_, 0x7FF0000000000000u);
    if (name == "-Inf") return number::make_f64(vm_, 0xFFF0000000000000u);
    if (name == "NaN") return number::make_f64(vm_, 0x7FF8000000000000u);
    return fail(Atom::InvalidNumber, name);
  }
  for (const std::string_view encoding : {"", "/ascii", "/latin1"}) {
    if (rest.starts_with("#bytes") && rest.substr(6).starts_with(encoding) &&
        rest.substr(6 + encoding.size()).starts_with('"')) {
      skip(static_cast<u32>(6 + encoding.size()));
      return read_binary_text(encoding);
    }
  }
  skip(1);
  const u64 start = at_;
  const std::string_view name = token();
  if (text_.substr(start).starts_with('<') || name.find('<') != std::string_view::npos) {
    return fail(Atom::Unreadable, text_.substr(start - 1, name.size() + 1));
  }
  return fail(Atom::InvalidDispatch, text_.substr(start - 1, name.size() + 1));
}

Term Reader::close(char delimiter) {
  advance();
  const std::string_view text(&delimiter, 1);
  if (frames_.empty()) return fail(Atom::UnmatchedDelimiter, text);
  const Frame frame = frames_.back();
  char wanted = 0;
  switch (frame.kind) {
    case Kind::List:
    case Kind::AnonymousFn: wanted = ')'; break;
    case Kind::Tuple:
    case Kind::Bytes:
    case Kind::Bits: wanted = ']'; break;
    case Kind::Vector:
    case Kind::Map:
    case Kind::Set: wanted = '}'; break;
    default: break;  // a prefix without its form
  }
  if (wanted != delimiter) return fail(Atom::UnmatchedDelimiter, text);
  frames_.pop();
  const Term value = finish(frame);
  values_.shrink(frame.values);
  return value;
}

Term Reader::finish(const Frame& frame) {
  const Term* elements = values_.data() + frame.values;
  const u64 count = values_.size() - frame.values;
  const auto list_of = [&](Term onto) {
    Term list = onto;
    for (u64 i = count; i > 0; --i) list = make_pair(vm_, elements[i - 1], list);
    return list;
  };
  switch (frame.kind) {
    case Kind::List: return list_of(kEmptyList);
    case Kind::Tuple: {
      const Term tuple = make_object(vm_, Type::Tuple, count);
      if (tuple != kRaised) std::copy(elements, elements + count, vm_.object(tuple) + 1);
      return tuple;
    }
    case Kind::Vector: return make_vector(vm_, elements, count);
    case Kind::Map: {
      if (count % 2 != 0) return fail_at(Atom::OddMap, "%{", frame.line, frame.column);
      Term map = kEmptyMap;
      for (u64 i = 0; i < count && map != kRaised; i += 2) map = map_put(vm_, map, elements[i], elements[i + 1]);
      return map;
    }
    case Kind::Set: {
      Term set = kEmptySet;
      for (u64 i = 0; i < count && set != kRaised; ++i) {
        if (map_get(vm_, set, elements[i]) == kNone) set = map_put(vm_, set, elements[i], kNil);
      }
      return set;
    }
    case Kind::AnonymousFn: {
      Term parameters = make_object(vm_, Type::Tuple, frame.arity + (frame.rest != 0 ? 2 : 0));
      if (parameters == kRaised) return kRaised;
      u64* out = vm_.object(parameters) + 1;
      for (u32 i = 0; i < frame.arity; ++i) {
        Text name(vm_);
        name.add('%');
        name.add_number(i + 1);
        out[i] = symbol_named(vm_, name.view());
      }
      if (frame.rest != 0) {
        out[frame.arity] = symbol(vm_, Atom::Ampersand);
        out[frame.arity + 1] = symbol_named(vm_, "%&");
      }
      return make_list(vm_, {symbol(vm_, Atom::FnStar), parameters, list_of(kEmptyList)});
    }
    case Kind::Bytes: {
      bool constant = true;
      for (u64 i = 0; i < count; ++i) constant = constant && number::is_integer_like(vm_, elements[i]);
      if (!constant) return make_pair(vm_, symbol(vm_, Atom::BytesStar), list_of(kEmptyList));
      const Term binary = make_binary_space(vm_, count);
      if (binary == kRaised) return binary;
      for (u64 i = 0; i < count; ++i) {
        const number::Integer byte(vm_, elements[i]);
        if (byte.negative || byte.count > 1 || byte.low() > 255) {
          return fail_at(Atom::OutOfRange, "#bytes[", frame.line, frame.column);
        }
        binary_space(vm_, binary)[i] = static_cast<u8>(byte.low());
      }
      return binary;
    }
    case Kind::Bits: return make_pair(vm_, symbol(vm_, Atom::BitsStar), list_of(kEmptyList));
    default: UNREACHABLE("a frame that a delimiter closes");
  }
}

/// Hands a value to what waits for it.
Term Reader::deliver(Term value) {
  bool segment = false;  // the value is a whole segment of `#bits[`
  for (;;) {
    if (frames_.empty()) {
      values_.push(value);
      return kNil;
    }
    const Frame frame = frames_.back();
    if (frame.kind == Kind::Bits) {
      const Term ampersand = symbol(vm_, Atom::Ampersand);
      const bool rest = values_.size() > frame.values && values_.back() == ampersand;
      if (value != ampersand && !rest && !segment) {
        if (at_ < text_.size() && text_[at_] == ':') {
          advance();
          values_.push(value);
          open(Kind::BitsSize);
          return kNil;
        }
        value = read_modifiers(value, kNil);
        if (value == kRaised) return kRaised;
      }
      values_.push(value);
      return kNil;
    }
    if (frame.kind < Kind::Quote) {
      values_.push(value);
      return kNil;
    }
    if (frame.kind == Kind::Metadata) {
      const bool usable = is_map(vm_, value) || is_keyword(value);
      if (!usable) return fail_at(Atom::InvalidMetadata, "^", frame.line, frame.column);
      frames_.back().kind = Kind::MetadataTarget;
      values_.push(value);
      return kNil;
    }
    bool dropped = false;
    segment = frame.kind == Kind::BitsSize;
    frames_.pop();
    value = reduce(frame, value, dropped);
    if (value == kRaised) return kRaised;
    if (dropped) return kNil;
  }
}

Term Reader::reduce(const Frame& frame, Term value, bool& dropped) {
  switch (frame.kind) {
    case Kind::Discard: dropped = true; return kNil;
    case Kind::Quote: return make_list(vm_, {symbol(vm_, Atom::Quote), value});
    case Kind::VarQuote: return make_list(vm_, {symbol(vm_, Atom::Var), value});
    case Kind::Unquote: return make_list(vm_, {symbol(vm_, Atom::Unquote), value});
    case Kind::Splice: return make_list(vm_, {symbol(vm_, Atom::UnquoteSplicing), value});
    case Kind::SyntaxQuote: return expand_template(vm_, value);
    case Kind::MetadataTarget: {
      const Term meta = values_.back();
      values_.pop();
      const Term made = attach(value, meta);
      return made == kNone ? fail_at(Atom::InvalidMetadata, "^", frame.line, frame.column) : made;
    }
    case Kind::BitsSize: {
      const Term segment = values_.back();
      values_.pop();
      return read_modifiers(segment, value);
    }
    default: UNREACHABLE("a frame that takes one form");
  }
}

/// The form with metadata; kNone if it cannot carry any.
Term Reader::attach(Term form, Term meta) {
  if (is_keyword(meta)) meta = map_put(vm_, kEmptyMap, meta, kTrue);
  const Term old = metadata_of(vm_, form);
  if (old != kNil) map_each(vm_, old, [&](Term key, Term value) { meta = map_put(vm_, meta, key, value); });
  return with_metadata(vm_, form, meta);
}

Term Reader::read_modifiers(Term value, Term size) {
  Term modifiers = kEmptyList;
  while (at_ < text_.size() && text_[at_] == '/') {
    advance();
    const u64 start = at_;
    while (at_ < text_.size() && !at_delimiter() && text_[at_] != '/' && text_[at_] != ':') advance();
    const u64 record = name_intern(vm_, {}, text_.substr(start, at_ - start));
    if (record == 0) return raise_oom(vm_, 8);
    modifiers = make_pair(vm_, keyword_term(vm_, record), modifiers);
  }
  return make_tuple(vm_, {value, size, reverse_list(vm_, modifiers)});
}

Term Reader::read_token() {
  const std::string_view text = token();
  const u32 first = static_cast<u8>(text[0]);
  const u32 second = text.size() > 1 ? static_cast<u8>(text[1]) : 0;
  if (first == '@') return fail(Atom::InvalidToken, text);
  if (is_digit(first) || ((first == '+' || first == '-' || first == '.') && is_digit(second))) return read_number(text);
  if (first == ':') return read_keyword(text);
  if (text == "nil") return kNil;
  if (text == "true") return kTrue;
  if (text == "false") return kFalse;
  if (first == '%') {
    Frame* frame = anonymous();
    if (frame != nullptr && (text == "%" || text == "%&" || is_digit(second))) return read_placeholder(text, *frame);
  }
  return read_symbol(text);
}

Term Reader::read_placeholder(std::string_view text, Frame& frame) {
  if (text == "%&") {
    frame.rest = 1;
    return symbol_named(vm_, text);
  }
  u32 number = 1;
  if (text != "%") {
    number = 0;
    for (const char c : text.substr(1)) {
      if (!is_digit(static_cast<u8>(c)) || number > 250) return fail(Atom::InvalidToken, text);
      number = number * 10 + static_cast<u32>(c - '0');
    }
    if (number == 0) return fail(Atom::InvalidToken, text);
  }
  frame.placeholders |= text == "%" ? 1 : 2;
  if (frame.placeholders == 3) return fail(Atom::MixedPlaceholders, text);
  frame.arity = std::max(frame.arity, number);
  Text name(vm_);
  name.add('%');
  name.add_number(number);
  return symbol_named(vm_, name.view());
}

Term Reader::read_symbol(std::string_view text) {
  const u64 slash = text.rfind('/');
  u64 record;
  if (slash != std::string_view::npos && slash > 0 && slash + 1 < text.size()) {
    record = name_intern(vm_, text.substr(0, slash), text.substr(slash + 1));
  } else {
    record = name_intern(vm_, {}, text);
  }
  return record == 0 ? raise_oom(vm_, text.size() / 8) : symbol_term(vm_, record);
}

Term Reader::read_keyword(std::string_view text) {
  const std::string_view name = text.substr(1);
  if (name.empty() || name.starts_with(':') || name.ends_with('/')) return fail(Atom::InvalidKeyword, text);
  const u64 slash = name.rfind('/');
  u64 record;
  if (slash != std::string_view::npos && slash > 0) {
    record = name_intern(vm_, name.substr(0, slash), name.substr(slash + 1));
  } else {
    record = name_intern(vm_, {}, name);
  }
  return record == 0 ? raise_oom(vm_, text.size() / 8) : keyword_term(vm_, record);
}

Term Reader::read_number(std::string_view text) {
  Atom problem = Atom::InvalidNumber;
  const Term value = parse_number(vm_, text, problem);
  return value == kNone ? fail(problem, text) : value;
}

Term Reader::read_braced_code(u32& code) {
  // after `u`: four hex digits, or braces with one to six
  const auto digit_of = [](u32 c) -> u32 {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
  };
  code = 0;
  u32 count = 0;
  if (peek() == '{') {
    advance();
    while (digit_of(peek()) < 16 && count < 7) {
      code = code * 16 + digit_of(peek());
      count += 1;
      advance();
    }
    if (peek() != '}' || count == 0 || count > 6) return kNone;
    advance();
  } else {
    for (; count < 4; ++count) {
      if (digit_of(peek()) > 15) return kNone;
      code = code * 16 + digit_of(peek());
      advance();
    }
  }
  return code > base::kCodePointMax || (code >= 0xD800 && code < 0xE000) ? kNone : kNil;
}

Term Reader::read_escape(Text& out) {
  const u64 line = line_;
  const u64 column = column_;
  const u64 start = at_;
  advance();
  const u32 c = peek();
  if (at_ < text_.size()) advance();
  switch (c) {
    case 'n': out.add('\n'); return kNil;
    case 't': out.add('\t'); return kNil;
    case 'r': out.add('\r'); return kNil;
    case '\\': out.add('\\'); return kNil;
    case '"': out.add('"'); return kNil;
    case 'u': {
      u32 code = 0;
      if (read_braced_code(code) == kNone) break;
      out.add_code_point(code);
      return kNil;
    }
    default: break;
  }
  return fail_at(Atom::InvalidEscape, text_.substr(start, at_ - start), line, column);
}

Term Reader::read_string() {
  advance();
  Text out(vm_);
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      advance();
      if (out.failed()) return raise_oom(vm_, out.size());
      return make_string(vm_, out.view());
    }
    if (c == '\\') {
      if (read_escape(out) == kRaised) return kRaised;
      continue;
    }
    if (at_ >= bad_byte_) break;
    const u64 start = at_;
    advance();
    out.add(text_.substr(start, at_ - start));
  }
  return fail(Atom::UnexpectedEof, "\"");
}

Term Reader::read_binary_text(std::string_view encoding) {
  const Term string = read_string();
  if (string == kRaised || encoding.empty()) {
    return string == kRaised ? string : make_binary(vm_, base::bytes_of(string_text(vm_, string)));
  }
  const u32 code_max = encoding == "/ascii" ? 0x7F : 0xFF;
  const Term binary = make_binary_space(vm_, string_count(vm_, string));
  if (binary == kRaised) return binary;
  const std::string_view text = string_text(vm_, string);
  u64 count = 0;
  for (u64 at = 0; at < text.size();) {
    const base::DecodedCharacter c = base::decode_utf8(text, at);
    if (c.code_point > code_max) return fail(Atom::OutOfRange, "#bytes");
    binary_space(vm_, binary)[count] = static_cast<u8>(c.code_point);
    count += 1;
    at += c.length;
  }
  return binary;
}

Term Reader::read_character() {
  advance();
  if (at_ >= text_.size() || at_ >= bad_byte_) return fail(Atom::UnexpectedEof, "\\");
  const u64 start = at_;
  if (peek() == 'u' && peek(1) == '{') {
    advance();
    u32 code = 0;
    if (read_braced_code(code) == kNone) return fail(Atom::InvalidCharacter, text_.substr(start, at_ - start));
    return character(code);
  }
  const u32 first = peek();
  advance();
  if (is_delimiter(first)) return character(first);
  while (!at_delimiter()) advance();
  const std::string_view name = text_.substr(start, at_ - start);
  if (base::decode_utf8(name).length == name.size()) return character(first);
  const u32 named = character_named(name);
  if (named != kNoCharacter) return character(named);
  if (first == 'u' && name.size() == 5) {
    u32 code = 0;
    bool valid = true;
    for (const char c : name.substr(1)) {
      const u32 lower = static_cast<u8>(c) | 0x20;
      valid = valid && (is_digit(static_cast<u8>(c)) || (lower >= 'a' && lower <= 'f'));
      code = code * 16 + (is_digit(static_cast<u8>(c)) ? static_cast<u32>(c - '0') : lower - 'a' + 10);
    }
    if (valid && (code < 0xD800 || code > 0xDFFF)) return character(code);
  }
  return fail(Atom::InvalidCharacter, name);
}

}  // namespace lonala
