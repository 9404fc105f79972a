// vm/lonala/hints.h — names for a person who is typing: those that begin like a word, and those nearest to one that is not known.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// Calls visit(text, var) for everything that the session's namespace can name and that begins with `prefix`: vars, special forms,
/// aliases and namespaces (with a `/` at the end), the public vars of `alias/…`, and with a colon the keywords in use. `var` is
/// kNone for what is no var. No order.
class NameVisitor {
 public:
  virtual void name(std::string_view text, Term var) = 0;

 protected:
  ~NameVisitor() = default;
};
void names_beginning_with(Vm& vm, std::string_view prefix, NameVisitor& visitor);

constexpr u32 kNearestMax = 3;
/// The names nearest to an unknown symbol, seen from the session's namespace: at most kNearestMax, the nearest first, separated by
/// commas. Empty if none is near.
void nearest_names(Vm& vm, Text& out, Term symbol);

}  // namespace lonala
