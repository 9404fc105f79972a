// sim/host/cli/lint_rules.cpp — DL1 to DL9, one function each, over the tokens of one file.
#include <algorithm>
#include <map>
#include <set>

#include "sim/host/cli/lint.h"

namespace sim::host::cli::lint {
namespace {

using Tokens = std::vector<Token>;

/// One file under the rules.
class Check {
 public:
  Check(const Source& source, const Whole& whole, std::vector<Finding>& findings)
      : source_(source), tokens_(source.tokens), whole_(whole), findings_(findings) {}

  void all() {
    forbidden_identifiers();
    iterated_unordered();
    pointers_as_values();
    two_draws();
    sorts();
    endless_loops();
    mutable_statics();
    unasserted_bytes();
    includes();
  }

 private:
  void found(u32 line, const char* rule, const std::string& what) {
    const auto& silenced = source_.silenced;
    if (std::find(silenced.begin(), silenced.end(), line) != silenced.end()) return;
    findings_.push_back({source_.path, line, rule, what});
  }
  const std::string& text(std::size_t at) const {
    static const std::string nothing;
    return at < tokens_.size() ? tokens_[at].text : nothing;
  }
  bool is_identifier(std::size_t at) const { return at < tokens_.size() && tokens_[at].kind == TokenKind::Identifier; }
  bool is(std::size_t at, const char* what) const {
    return at < tokens_.size() && tokens_[at].kind != TokenKind::String && tokens_[at].text == what;
  }
  /// The token after the one that closes what opens at `at`.
  std::size_t after(std::size_t at, const char* open, const char* close) const {
    u32 depth = 0;
    for (; at < tokens_.size(); ++at) {
      if (is(at, open)) depth += 1;
      if (is(at, close) && --depth == 0) return at + 1;
      if (is(at, ";") && open[0] == '<') return at;  // it was a comparison
    }
    return at;
  }

  // ── DL1 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void forbidden_identifiers() {
    static const std::set<std::string> kAlways = {"rand",
                                                  "srand",
                                                  "drand48",
                                                  "random_device",
                                                  "mt19937",
                                                  "mt19937_64",
                                                  "default_random_engine",
                                                  "getrandom",
                                                  "getentropy",
                                                  "arc4random",
                                                  "clock_gettime",
                                                  "gettimeofday",
                                                  "steady_clock",
                                                  "system_clock",
                                                  "high_resolution_clock",
                                                  "__rdtsc",
                                                  "__builtin_ia32_rdtsc",
                                                  "rdtsc",
                                                  "localtime",
                                                  "localtime_r",
                                                  "strftime",
                                                  "getenv",
                                                  "secure_getenv",
                                                  "setlocale",
                                                  "localeconv",
                                                  "getpid",
                                                  "gethostname",
                                                  "getcwd",
                                                  "opendir",
                                                  "readdir",
                                                  "unordered_map",
                                                  "unordered_set",
                                                  "unordered_multimap",
                                                  "unordered_multiset",
                                                  "thread_local",
                                                  "pthread_create",
                                                  "jthread",
                                                  "__DATE__",
                                                  "__TIME__",
                                                  "__TIMESTAMP__",
                                                  "random_shuffle",
                                                  "uniform_int_distribution",
                                                  "uniform_real_distribution",
                                                  "normal_distribution",
                                                  "bernoulli_distribution",
                                                  "discrete_distribution",
                                                  "float",
                                                  "double"};
    static const std::set<std::string> kOfStd = {"hash",   "shuffle", "time",   "clock",
                                                 "thread", "async",   "random", "mutex"};
    const bool defines_floats = source_.layer == "vm" && source_.path.ends_with("/float.cpp");
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      if (!is_identifier(at)) continue;
      const std::string& name = text(at);
      if (defines_floats && (name == "float" || name == "double")) continue;
      if (kAlways.contains(name)) found(tokens_[at].line, "DL1", "forbidden: " + name);
      if (at >= 2 && is(at - 1, "::") && is(at - 2, "std") && kOfStd.contains(name)) {
        found(tokens_[at].line, "DL1", "forbidden: std::" + name);
      }
    }
  }

  // ── DL2 ────────────────────────────────────────────────────────────────────────────────────────────────────
  /// `map<Node*, …>`, `Set<T*>`: what is keyed by a pointer. The place after the closing bracket in `end`.
  bool is_pointer_keyed(std::size_t at, std::size_t& end) const {
    static const std::set<std::string> kKeyed = {"map", "set", "multimap", "multiset", "Map", "Set"};
    if (!is_identifier(at) || !kKeyed.contains(text(at)) || !is(at + 1, "<")) return false;
    end = after(at + 1, "<", ">");
    u32 depth = 0;
    for (std::size_t key = at + 1; key < end; ++key) {
      if (is(key, "<")) depth += 1;
      if (is(key, ">")) depth -= 1;
      if (depth == 1 && is(key, ",")) return is(key - 1, "*");
    }
    return is(end - 2, "*");
  }
  void iterated_unordered() {
    std::set<std::string> names;
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      std::size_t end = 0;
      if (text(at).starts_with("unordered_") && is(at + 1, "<")) {
        end = after(at + 1, "<", ">");
      } else if (!is_pointer_keyed(at, end)) {
        continue;
      }
      while (is(end, "&") || is(end, "const")) end += 1;
      if (is_identifier(end)) names.insert(text(end));
    }
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      if (!is(at, "for") || !is(at + 1, "(")) continue;
      const std::size_t end = after(at + 1, "(", ")");
      bool in_range = false;
      for (std::size_t inner = at + 2; inner + 1 < end; ++inner) {
        if (is(inner, ";")) break;
        if (in_range && is_identifier(inner) && names.contains(text(inner))) {
          found(tokens_[inner].line, "DL2", "the order of " + text(inner) + " is an accident of addresses or hashes");
        }
        in_range = in_range || is(inner, ":");
      }
    }
  }

  // ── DL3 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void pointers_as_values() {
    static const std::set<std::string> kIntegers = {"u64", "i64", "uintptr_t", "intptr_t", "usize", "size_t"};
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      std::size_t end = 0;
      if (is_pointer_keyed(at, end)) found(tokens_[at].line, "DL3", text(at) + " keyed by a pointer");
      if (is(at, "less") && is(at + 1, "<") && is(after(at + 1, "<", ">") - 2, "*")) {
        found(tokens_[at].line, "DL3", "std::less of a pointer");
      }
      if (is(at, "reinterpret_cast") && is(at + 1, "<")) {
        const std::size_t close = after(at + 1, "<", ">");
        const bool aligned = at >= 2 && is(at - 2, "is_aligned");  // alignment is the same wherever memory lies
        if (!aligned && close == at + 4 + (is(at + 3, "::") ? 2u : 0u) && kIntegers.contains(text(close - 2))) {
          found(tokens_[at].line, "DL3", "a pointer becomes a number");
        }
      }
      const bool compares = is(at, "<") || is(at, ">") || is(at, "<=") || is(at, ">=");
      const bool address_before = at >= 3 && is_identifier(at - 1) && is(at - 2, "&") &&
                                  (!is_identifier(at - 3) || is(at - 3, "return")) && !is(at - 3, ")") &&
                                  !is(at - 3, "]") && !is(at - 3, "<") && !is(at - 3, ",");
      if (compares && address_before && is(at + 1, "&") && is_identifier(at + 2)) {
        found(tokens_[at].line, "DL3", "addresses are compared");
      }
    }
  }

  // ── DL4 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void two_draws() {
    static const std::set<std::string> kDraws = {"next", "below", "chance", "exponential", "long_tail"};
    std::map<std::string, u32> seen;
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      if (is(at, ";") || is(at, "{") || is(at, "}")) seen.clear();
      if (!(is(at, ".") || is(at, "->")) || at == 0 || !is_identifier(at - 1)) continue;
      if (!is_identifier(at + 1) || !kDraws.contains(text(at + 1)) || !is(at + 2, "(")) continue;
      const std::string& stream = text(at - 1);
      if (std::find(whole_.streams.begin(), whole_.streams.end(), stream) == whole_.streams.end()) continue;
      if (++seen[stream] == 2) found(tokens_[at].line, "DL4", "two draws of " + stream + " in one expression");
    }
  }

  // ── DL5 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void sorts() {
    static const std::set<std::string> kUnstable = {"sort",  "partial_sort", "nth_element",
                                                    "qsort", "sort_heap",    "make_heap"};
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      if (!is_identifier(at) || !kUnstable.contains(text(at)) || !is(at + 1, "(")) continue;
      const bool of_std = at >= 2 && is(at - 1, "::") && (is(at - 2, "std") || is(at - 2, "ranges"));
      if (!of_std && text(at) != "qsort") continue;
      const u32 line = tokens_[at].line;
      if (std::find(source_.total.begin(), source_.total.end(), line) != source_.total.end()) continue;
      if (has(at, after(at + 1, "(", ")"), {"!="})) continue;  // a second key decides between equal first ones
      found(line, "DL5", text(at) + " by one key, without a comment `total: ` that says why no two are equal");
    }
  }

  // ── DL6 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void endless_loops() {
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      const bool for_ever = is(at, "for") && is(at + 1, "(") && is(at + 2, ";") && is(at + 3, ";");
      const bool while_true =
          is(at, "while") && is(at + 1, "(") && (is(at + 2, "true") || is(at + 2, "1")) && is(at + 3, ")");
      if (!for_ever && !while_true) continue;
      const std::size_t body = after(at + 1, "(", ")");
      if (is(body, ";")) {
        found(tokens_[at].line, "DL6", "an endless loop without a body");
        continue;
      }
      std::size_t end = body;
      if (is(body, "{")) {
        end = after(body, "{", "}");
      } else {
        while (end < tokens_.size() && !is(end, ";")) end += 1;
      }
      if (!is_bounded(at, end)) {
        found(tokens_[at].line, "DL6", "no named bound, charge, call or way out in an endless loop");
      }
    }
  }
  /// A constant, a call (which charges, traps or ends by its own rules), or a way out that some progress leads to.
  bool is_bounded(std::size_t at, std::size_t end) const {
    bool leaves = false;
    bool moves = false;
    for (; at < end; ++at) {
      if (!is_identifier(at)) {
        moves = moves || is(at, "++") || is(at, "--") || is(at, "+=") || is(at, "-=") || is(at, "=");
        continue;
      }
      const std::string& name = text(at);
      const bool constant = name.size() > 1 && name[0] == 'k' && name[1] >= 'A' && name[1] <= 'Z';
      static const std::set<std::string> kWords = {"for", "while", "if", "switch", "return", "sizeof", "asm"};
      if (constant || (is(at + 1, "(") && !kWords.contains(name))) return true;
      leaves = leaves || name == "return" || name == "break";
    }
    return leaves && moves;
  }

  // ── DL7 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void mutable_statics() {
    std::vector<bool> namespaces;  // of the braces that are open
    std::size_t begin = 0;         // of the statement
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      const bool at_namespace = std::find(namespaces.begin(), namespaces.end(), false) == namespaces.end();
      if (is(at, "(")) {
        at =
            after(at, "(", ")") - 1;  // arguments, conditions: their braces are values, and lambdas bodies of functions
        continue;
      }
      if (is(at, "{")) {
        const bool assigned = has(begin, at, {"="}) && !has(begin, at, {"operator"});
        if (assigned) {  // a value
          at = after(at, "{", "}") - 1;
          continue;
        }
        bool opens_namespace = false;
        for (std::size_t word = begin; word < at; ++word) {
          opens_namespace = opens_namespace || is(word, "namespace") || (is(word, "extern") && word + 2 == at);
        }
        if (!opens_namespace && at_namespace && is_variable(begin, at)) {
          found(tokens_[begin].line, "DL7", "mutable at namespace scope");
        }
        namespaces.push_back(opens_namespace);
        begin = at + 1;
      } else if (is(at, "}")) {
        if (!namespaces.empty()) namespaces.pop_back();
        begin = at + 1;
      } else if (is(at, ";")) {
        check_statement(begin, at, at_namespace);
        begin = at + 1;
      }
    }
  }
  bool has(std::size_t begin, std::size_t end, std::initializer_list<const char*> words) const {
    for (std::size_t at = begin; at < end; ++at) {
      for (const char* word : words) {
        if (is(at, word)) return true;
      }
    }
    return false;
  }
  /// Tokens of a declaration of something that may change: two names, no brackets of a function, nothing constant.
  bool is_variable(std::size_t begin, std::size_t end) const {
    static const std::initializer_list<const char*> kOthers = {
        "const",  "constexpr", "using",  "typedef",   "struct",        "class",   "enum",     "union",    "template",
        "friend", "extern",    "return", "namespace", "static_assert", "concept", "operator", "asm",      "#",
        "define", "if",        "undef",  "goto",      "case",          "public",  "private",  "consteval"};
    if (has(begin, end, kOthers)) return false;
    std::size_t limit = begin;
    while (limit < end && !is(limit, "=") && !is(limit, "{")) limit += 1;
    if (has(begin, limit, {"("})) return false;
    u32 names = 0;
    for (std::size_t at = begin; at < limit; ++at) names += is_identifier(at) ? 1 : 0;
    return names >= 2;
  }
  void check_statement(std::size_t begin, std::size_t end, bool at_namespace) {
    if (begin >= end) return;
    if (at_namespace) {
      if (is_variable(begin, end)) found(tokens_[begin].line, "DL7", "mutable at namespace scope");
      return;
    }
    if (is(begin, "static") && is_variable(begin, end)) found(tokens_[begin].line, "DL7", "mutable static");
  }

  // ── DL8 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void unasserted_bytes() {
    bool asserted = false;
    for (std::size_t at = 0; at < tokens_.size(); ++at) {
      asserted = asserted || text(at).starts_with("has_unique_object_representations");
    }
    if (asserted) return;
    for (std::size_t at = 0; at + 4 < tokens_.size(); ++at) {
      if (!is(at, "reinterpret_cast") || !is(at + 1, "<") || !is(at + 2, "const") || !is(at + 3, "u8")) continue;
      if (is(at + 4, "*") && is(at + 5, ">") && is(at + 6, "(") && is(at + 7, "&")) {
        found(tokens_[at].line, "DL8", "bytes of an object whose type is not asserted to be without padding");
      }
    }
  }

  // ── DL9 ────────────────────────────────────────────────────────────────────────────────────────────────────
  void includes() {
    static const std::map<std::string, std::set<std::string>> kBelow = {
        {"base", {}},
        {"kernel-model", {"base"}},
        {"schema", {"base", "kernel-model"}},
        {"fs", {"base", "kernel-model", "schema"}},
        {"net", {"base", "kernel-model", "schema"}},
        {"vm", {"base", "kernel-model", "schema"}},
        {"user", {"base", "kernel-model", "schema", "fs", "net", "vm"}},
        {"sim/model", {"base", "kernel-model", "schema"}}};
    const auto& below = kBelow.at(source_.layer);
    for (const auto& [line, name] : source_.includes) {
      std::string layer = name.substr(0, name.find('/'));
      if (layer == "sim") layer = name.substr(0, name.find('/', 4));
      if (layer == source_.layer || below.contains(layer)) continue;
      found(line, "DL9", source_.layer + " includes \"" + name + "\"");
    }
  }

  const Source& source_;
  const Tokens& tokens_;
  const Whole& whole_;
  std::vector<Finding>& findings_;
};

}  // namespace

void check_source(const Source& source, const Whole& whole, std::vector<Finding>& findings) {
  Check(source, whole, findings).all();
}

}  // namespace sim::host::cli::lint
