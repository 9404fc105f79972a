// vm/lonala/reader.h — text to forms. Nesting costs memory, never the host's stack, but for templates, whose depth is bounded.
// Bounds      kTemplateDepthMax levels inside a syntax-quote.
#pragma once
#include <optional>

#include "vm/lonala/work.h"

namespace lonala {

constexpr u32 kTemplateDepthMax = 500;

/// A place in a text that comes in pieces: how much of the piece is behind it, and its line and column in the whole.
struct TextPlace {
  u64 offset = 0;
  u64 line = 1;
  u64 column = 1;
  bool valid = false;  // what follows is known to be UTF-8
};

/// How far a reader has come that stopped.
struct ReaderPlace {
  u64 at;
  u64 line;
  u64 column;
  u64 form_line;
  u64 form_start;
  u64 bad_byte;
  u64 inside;  // a form
};

class Reader {
 public:
  enum class Outcome : u8 { Form, End, Error };
  /// `text` stays where it is while the reader lives; `start` is the place of its first byte in a longer text.
  explicit Reader(Vm& vm, std::string_view text, TextPlace start = {});
  /// Goes on where one has stopped; what it is in the middle of is kept again at its end.
  Reader(Vm& vm, std::string_view text, Kept& frames, Kept& values, const ReaderPlace& place);
  ReaderPlace stopped_at() const;
  /// The next form; on Error the reason is in the process's `pending`.
  Outcome next(Term& form) { return *next(form, ~u64{0}); }
  /// The same; it stops, if the form is not whole by then, behind the first token that ends at byte `until` or later: nothing.
  std::optional<Outcome> next(Term& form, u64 until);
  /// After an error: goes on behind the end of its line.
  void skip_line();
  /// Where the form read last began, 1-based.
  u64 line() const { return form_line_; }
  /// What was read last, as it was written.
  std::string_view form_text() const { return text_.substr(form_start_, at_ - form_start_); }
  /// Behind what was read last.
  TextPlace place() const { return {at_, line_, column_, bad_byte_ == ~u64{0}}; }

 private:
  enum class Kind : u8 {
    List,
    Tuple,
    Vector,
    Map,
    Set,
    AnonymousFn,
    Bytes,
    Bits,  // until a delimiter closes them
    Quote,
    VarQuote,
    SyntaxQuote,
    Unquote,
    Splice,
    Discard,
    Metadata,
    MetadataTarget,
    BitsSize,  // take one form
  };
  struct Frame {
    Kind kind;
    u8 placeholders = 0;  // AnonymousFn: 1 `%` seen, 2 numbered seen
    u16 rest = 0;         // AnonymousFn: `%&` seen
    u32 arity = 0;
    u64 values = 0;  // size of the value stack when it was opened
    u64 line = 0;
    u64 column = 0;
  };

  u32 peek(u64 ahead = 0) const;
  void advance();
  void skip_space();
  bool at_delimiter() const;
  std::string_view token();
  Term fail(Atom kind, std::string_view text);
  Term fail_at(Atom kind, std::string_view text, u64 line, u64 column);
  void open(Kind kind);
  Term step(bool& produced);
  Term dispatch();
  Term close(char delimiter);
  Term finish(const Frame& frame);
  Term deliver(Term value);
  Term reduce(const Frame& frame, Term value, bool& dropped);
  Term read_token();
  Term read_string();
  Term read_escape(Text& out);
  Term read_braced_code(u32& code);
  Term read_character();
  Term read_symbol(std::string_view text);
  Term read_keyword(std::string_view text);
  Term read_number(std::string_view text);
  Term read_placeholder(std::string_view text, Frame& frame);
  Term read_binary_text(std::string_view encoding);
  Term read_modifiers(Term value, Term size);
  Term attach(Term form, Term meta);
  Frame* anonymous();
  bool in_bits() const;
  u32 syntax_depth() const;

  Vm& vm_;
  std::string_view text_;
  u64 at_ = 0;
  u64 line_ = 1;
  u64 column_ = 1;
  u64 token_line_ = 1;
  u64 token_column_ = 1;
  u64 form_line_ = 1;
  u64 form_start_ = 0;
  u64 bad_byte_ = ~u64{0};
  bool inside_ = false;
  Scratch<Frame> frames_;
  Scratch<Term> values_;
};

/// `read-string` and `read-all` in steps (work.h), of about kBytesPerStep of the text: a token, and what a bracket closes, are one.
struct ReadWork {
  static constexpr WorkKind kKind = WorkKind::ReadWork;
  static constexpr u32 kKeptCount = 2;
  static constexpr u64 kBytesPerStep = 400;
  Kept kept[kKeptCount];  // of the reader
  ReaderPlace place;
  u64 begun;
  u64 charged;
  Term text;
  Term forms;  // read, the last one first; kNone: one is wanted

  Term run(Vm& vm, bool stops);
};

/// The form that makes the template's value (§ syntax-quote of docs/lonala); kRaised with `:syntax-error` when it is too deep.
Term expand_template(Vm& vm, Term form);
/// A symbol as a template writes it: qualified if it names a var or an alias seen from the current namespace.
Term qualify_symbol(Vm& vm, Term symbol);
Term gensym(Vm& vm, std::string_view prefix);

bool is_white_space(u32 code_point);

}  // namespace lonala
