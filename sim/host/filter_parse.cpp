// sim/host/filter_parse.cpp — reading a filter, and working out what it says of each kind.
#include <optional>

#include "base/emit.h"
#include "base/glob.h"
#include "base/parse.h"
#include "sim/host/filter.h"
#include "sim/host/nearest.h"

namespace sim::host {
namespace {

constexpr std::string_view kSpecial = "(),=!<>~\"";

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// The formatter would join a macro's last line with the #include below it.
// clang-format off

/// The operands of a kind as base/events.def describes them: "endpoint; sender, badge, digest of the words".
std::string_view operands_of(base::EventKind kind) {
  switch (kind) {
#define EVENT(identifier, number, lane, name, operands) \
  case base::EventKind::identifier:                     \
    return operands;
#include "base/events.def"
    case base::EventKind::None: break;
  }
  return {};
}
// clang-format on

}  // namespace

std::array<std::string, 3> operand_names(base::EventKind kind) {
  std::array<std::string, 3> names;
  std::string_view text = operands_of(kind);
  const auto subject_end = text.find(';');
  if (subject_end == std::string_view::npos) return names;
  text = text.substr(subject_end + 1);
  text = text.substr(0, text.find(';'));
  for (std::string& name : names) {
    const auto comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (word.starts_with(' ')) word.remove_prefix(1);
    for (const char c : word) {
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!is_letter && c != ' ' && c != '-' && c != '_') {
        name.clear();
        break;
      }
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == ' ' ? '-' : c;
    }
  }
  return names;
}

namespace {

bool is_kind(u32 kind) { return base::name_of(static_cast<base::EventKind>(kind)) != "?"; }

}  // namespace

class FilterParser {
 public:
  FilterParser(std::string_view text, FilterNames names, Filter& out) : text_(text), out_(out) {
    out_.names_ = std::move(names);
  }

  std::string run() {
    if (text_.size() > kFilterBytesMax) return "a filter has at most " + std::to_string(kFilterBytesMax) + " bytes";
    out_.parts_.clear();
    out_.watches_.clear();
    next();
    if (error_.empty() && token_.empty()) fail("a filter is empty; `all` passes every event");
    const u32 root = either(0);
    if (error_.empty() && !token_.empty()) fail("unexpected " + quoted(token_));
    if (!error_.empty()) {
      out_ = Filter();
      return error_;
    }
    out_.root_ = root;
    out_.verdicts_ = out_.parts_[root].kinds;
    out_.text_ = text_;
    return {};
  }

 private:
  using Part = Filter::Part;
  using Form = Filter::Form;
  using Answer = Filter::Answer;
  using Relation = Filter::Relation;
  using Place = Filter::Place;
  static constexpr u32 kKinds = Filter::kKinds;

  // ── Tokens: words, quoted words, operators, parentheses, commas ────────────────────────────────────────────
  void next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    start_ = at_;
    quoted_ = false;
    token_ = {};
    if (at_ == text_.size()) return;
    if (text_[at_] == '"') {
      const auto end = text_.find('"', at_ + 1);
      if (end == std::string_view::npos) return fail("the quote has no end");
      token_ = text_.substr(at_ + 1, end - at_ - 1);
      quoted_ = true;
      at_ = end + 1;
      if (token_.empty()) fail("the quotes hold nothing");
      return;
    }
    const auto is_special = [&](char c) { return kSpecial.find(c) != std::string_view::npos; };
    if (!is_special(text_[at_])) {
      while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t' && !is_special(text_[at_])) ++at_;
    } else {
      const bool is_pair = at_ + 1 < text_.size() && text_[at_ + 1] == '=' &&
                           (text_[at_] == '!' || text_[at_] == '<' || text_[at_] == '>');
      at_ += is_pair ? 2 : 1;
    }
    token_ = text_.substr(start_, at_ - start_);
  }
  bool is(std::string_view word) const { return !quoted_ && token_ == word; }
  bool is_word() const { return !token_.empty() && (quoted_ || kSpecial.find(token_[0]) == std::string_view::npos); }
  void fail(const std::string& what) { fail_at(start_, what); }
  void fail_at(u64 at, const std::string& what) {
    if (error_.empty()) error_ = "column " + std::to_string(at + 1) + ": " + what;
    token_ = {};
    at_ = text_.size();
  }
  bool failed() const { return !error_.empty(); }

  // ── Grammar; each answers the index of its part, 0 after a failure ─────────────────────────────────────────
  u32 either(u32 depth) {
    if (depth > kFilterDepthMax) {
      fail("parentheses are nested more than " + std::to_string(kFilterDepthMax) + " deep");
      return 0;
    }
    u32 left = every(depth);
    while (!failed() && (is("or") || is(","))) {
      next();
      left = join(Form::Or, left, every(depth));
    }
    return left;
  }

  u32 every(u32 depth) {
    u32 left = one(depth);
    while (!failed() && !token_.empty() && !is("or") && !is(",") && !is(")")) {
      if (is("and")) next();
      left = join(Form::And, left, one(depth));
    }
    return left;
  }

  u32 one(u32 depth) {
    if (token_.empty() && !failed()) fail("the filter ends where a test is expected");
    if (failed()) return 0;
    if (is("not")) {
      next();
      if (depth + 1 > kFilterDepthMax) fail("`not` is nested too deep");
      const u32 inner = one(depth + 1);
      return failed() ? 0 : negate(inner);
    }
    u32 part = 0;
    if (is("(")) {
      part = bracket(depth);
    } else if (is("and") || is("or")) {
      fail("a test is expected before " + quoted(token_));
    } else if (is_word()) {
      part = test();
    } else {
      fail("unexpected " + quoted(token_) + "; a kind such as ipc.transfer or a test such as node=1 is expected");
    }
    while (!failed() && is("within")) part = within(part, depth);
    return part;
  }

  u32 bracket(u32 depth) {
    const u64 open = start_;
    next();
    const u32 part = either(depth + 1);
    if (failed()) return 0;
    if (!is(")")) {
      fail_at(open, "the parenthesis is not closed");
      return 0;
    }
    next();
    return part;
  }

  u32 within(u32 subject, u32 depth) {
    next();
    const auto duration = base::parse_duration_ns(token_);
    if (!duration.ok()) {
      fail(quoted(token_) + " is not a time, for example 5ms");
      return 0;
    }
    next();
    if (!is("after")) {
      fail("`within TIME` is followed by `after ( … )`");
      return 0;
    }
    next();
    if (!is("(")) {
      fail("`after` is followed by a filter in parentheses");
      return 0;
    }
    const u32 what = bracket(depth);
    if (failed()) return 0;
    Part part;
    part.form = Form::After;
    part.number = *duration;
    part.left = subject;
    part.right = static_cast<u32>(out_.watches_.size());
    for (u32 kind = 0; kind < kKinds; ++kind) {
      part.kinds[kind] = out_.parts_[subject].kinds[kind] == Answer::No ? Answer::No : Answer::Ask;
    }
    out_.watches_.push_back({.part = add(std::move(part)), .what = what});
    return out_.watches_.back().part;
  }

  u32 join(Form form, u32 left, u32 right) {
    if (failed()) return 0;
    Part part;
    part.form = form;
    part.left = left;
    part.right = right;
    const Answer strong = form == Form::And ? Answer::No : Answer::Yes;  // decides by itself
    const Answer weak = form == Form::And ? Answer::Yes : Answer::No;
    for (u32 kind = 0; kind < kKinds; ++kind) {
      const Answer one = out_.parts_[left].kinds[kind];
      const Answer two = out_.parts_[right].kinds[kind];
      part.kinds[kind] = one == strong || two == strong ? strong : one == weak && two == weak ? weak : Answer::Ask;
    }
    return add(std::move(part));
  }

  u32 negate(u32 inner) {
    Part part;
    part.form = Form::Not;
    part.left = inner;
    for (u32 kind = 0; kind < kKinds; ++kind) {
      const Answer answer = out_.parts_[inner].kinds[kind];
      part.kinds[kind] = answer == Answer::Ask ? Answer::Ask : answer == Answer::Yes ? Answer::No : Answer::Yes;
    }
    return add(std::move(part));
  }

  // ── Tests ──────────────────────────────────────────────────────────────────────────────────────────────────
  u32 test() {
    const std::string word(token_);
    const u64 at = start_;
    const bool was_quoted = quoted_;
    next();
    const auto relation = read_relation();
    if (!relation) return was_quoted ? unknown_kind(at, word) : kinds(at, word);
    if (failed()) return 0;
    if (!is_word()) {
      fail("a value is expected after " + quoted(word + text_of(*relation)));
      return 0;
    }
    const std::string value(token_);
    const u64 value_at = start_;
    next();
    return field({word, at, *relation, value, value_at});
  }

  std::optional<Relation> read_relation() {
    static constexpr std::string_view kRelations[] = {"=", "!=", "<", "<=", ">", ">=", "~"};
    for (u32 i = 0; i < std::size(kRelations); ++i) {
      if (!is(kRelations[i])) continue;
      next();
      return static_cast<Relation>(i);
    }
    return {};
  }
  static std::string text_of(Relation relation) {
    static constexpr std::string_view kRelations[] = {"=", "!=", "<", "<=", ">", ">=", "~"};
    return std::string(kRelations[static_cast<u32>(relation)]);
  }

  u32 kinds(u64 at, const std::string& word) {
    Part part;
    bool any = false;
    for (u32 kind = 0; kind < kKinds; ++kind) {
      if (!is_kind(kind)) continue;
      const auto event_kind = static_cast<base::EventKind>(kind);
      const bool chosen = word == "all" || word == "*" || word == name_of(base::lane_of(event_kind)) ||
                          base::glob_matches(word, base::name_of(event_kind));
      if (chosen) part.kinds[kind] = Answer::Yes;
      any = any || chosen;
    }
    // A lane none of whose kinds is emitted yet passes nothing, which is no mistake.
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
      const std::string name(name_of(static_cast<base::Lane>(lane)));
      any = any || word == name || word == name + ".*";
    }
    return any ? add(std::move(part)) : unknown_kind(at, word);
  }

  u32 unknown_kind(u64 at, const std::string& word) {
    for (const std::string& known : fields()) {
      if (known != word) continue;
      fail_at(at, quoted(word) + " is followed by = != < <= > >= or ~ and a value");
      return 0;
    }
    std::vector<std::string> known = {"all"};
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) known.emplace_back(name_of(static_cast<base::Lane>(lane)));
    for (u32 kind = 0; kind < kKinds; ++kind) {
      if (is_kind(kind)) known.emplace_back(base::name_of(static_cast<base::EventKind>(kind)));
    }
    fail_at(at, "no kind of event is called " + quoted(word) + did_you_mean(word, known));
    return 0;
  }

  struct Test {
    std::string word;
    u64 at;
    Relation relation;
    std::string value;
    u64 value_at;
  };

  static bool is_ordered(Relation relation) {
    return relation == Relation::Less || relation == Relation::AtMost || relation == Relation::Greater ||
           relation == Relation::AtLeast;
  }

  u32 field(const Test& test) {
    if (test.word == "kind" || test.word == "lane") return kind_or_lane(test);
    const bool is_time = test.word == "time" || test.word == "t";
    const auto number = is_time ? base::parse_duration_ns(test.value) : base::parse_u64(test.value, base::kRadixAuto);
    if (test.word == "node" || test.word == "thread")
      return node_or_thread(test, number.ok() ? *number : 0, number.ok());
    Part part;
    part.form = Form::Word;
    part.relation = test.relation;
    if (!find_places(test.word, part)) {
      fail_at(test.at, "no event has a field " + quoted(test.word) + did_you_mean(test.word, fields()));
      return 0;
    }
    if (test.word == "name") {
      if (is_ordered(test.relation) || test.relation == Relation::Contains || base::is_glob(test.value)) {
        fail_at(test.at, "'name' is a text: = or !=, without * and ?");
        return 0;
      }
      part.number = base::short_name(test.value);
    } else if (!number.ok()) {
      fail_at(test.value_at, quoted(test.value) + (is_time ? " is not a time, for example 12.5s or 250ms"
                                                           : " is not a number (decimal or 0x…)"));
      return 0;
    } else {
      part.number = *number;
    }
    for (u32 kind = 0; kind < kKinds; ++kind) {
      part.kinds[kind] = part.places[kind] == Place::None ? Answer::No : Answer::Ask;
    }
    return add(std::move(part));
  }

  u32 kind_or_lane(const Test& test) {
    if (is_ordered(test.relation)) {
      fail_at(test.at, quoted(test.word) + " is a name: = != or ~");
      return 0;
    }
    Part part;
    part.form = test.word == "kind" ? Form::Kind : Form::Lane;
    part.relation = test.relation;
    part.name = test.value;
    bool any = test.relation == Relation::Contains;
    for (u32 kind = 0; kind < kKinds; ++kind) {
      if (!is_kind(kind)) continue;
      const auto event_kind = static_cast<base::EventKind>(kind);
      const std::string_view name =
          part.form == Form::Kind ? base::name_of(event_kind) : name_of(base::lane_of(event_kind));
      any = any || base::glob_matches(part.name, name);
      part.kinds[kind] = out_.compare_name(part, name) ? Answer::Yes : Answer::No;
    }
    if (!any) return unknown_kind(test.value_at, test.value);
    return add(std::move(part));
  }

  u32 node_or_thread(const Test& test, u64 number, bool is_number) {
    const bool is_node = test.word == "node";
    Part part;
    part.relation = test.relation;
    part.number = number;
    part.name = test.value;
    part.kinds.fill(Answer::Ask);
    if (is_number) {
      part.form = is_node ? Form::Node : Form::Word;
      part.places.fill(Place::ThreadId);
      return add(std::move(part));
    }
    if (is_ordered(test.relation)) {
      fail_at(test.at, quoted(test.word) + " with a name: = != or ~");
      return 0;
    }
    part.form = is_node ? Form::Node : Form::Thread;
    part.by_name = true;
    if (is_node && test.value == "world") {
      if (test.relation == Relation::Contains) {
        fail_at(test.at, "`world` is node 0: node=world or node!=world");
        return 0;
      }
      part.by_name = false;
      part.number = 0;
      return add(std::move(part));
    }
    if (is_node && test.relation != Relation::Contains && !base::is_glob(test.value)) {
      bool known = false;
      for (const std::string& name : out_.names_.nodes) known = known || name == test.value;
      if (!known) {
        fail_at(test.value_at, "there is no node " + quoted(test.value) + did_you_mean(test.value, out_.names_.nodes));
        return 0;
      }
    }
    return add(std::move(part));
  }

  struct Field {
    std::string_view name;
    Place place;
  };
  static constexpr Field kFields[] = {
      {"time", Place::Time}, {"t", Place::Time},      {"seq", Place::Sequence},  {"cause", Place::Cause},
      {"core", Place::Core}, {"flags", Place::Flags}, {"object", Place::Object}, {"a", Place::A},
      {"b", Place::B},       {"c", Place::C}};

  static bool find_places(std::string_view name, Part& part) {
    for (const Field& known : kFields) {
      if (known.name != name) continue;
      part.places.fill(known.place);
      return true;
    }
    bool any = false;
    for (u32 kind = 0; kind < kKinds; ++kind) {
      const auto names = operand_names(static_cast<base::EventKind>(kind));
      for (u32 word = 0; word < names.size(); ++word) {
        if (names[word].empty() || names[word] != name) continue;
        part.places[kind] = static_cast<Place>(static_cast<u32>(Place::A) + word);
        any = true;
      }
    }
    return any;
  }

  static std::vector<std::string> fields() {
    std::vector<std::string> names = {"node", "thread", "kind", "lane"};
    for (const Field& known : kFields) names.emplace_back(known.name);
    for (u32 kind = 0; kind < kKinds; ++kind) {
      for (const std::string& name : operand_names(static_cast<base::EventKind>(kind))) {
        if (!name.empty()) names.push_back(name);
      }
    }
    return names;
  }

  u32 add(Part&& part) {
    out_.parts_.push_back(std::move(part));
    return static_cast<u32>(out_.parts_.size() - 1);
  }

  std::string_view text_;
  Filter& out_;
  u64 at_ = 0;
  u64 start_ = 0;
  std::string_view token_;
  bool quoted_ = false;
  std::string error_;
};

std::string parse_filter(std::string_view text, FilterNames names, Filter& out) {
  Filter filter;
  std::string error = FilterParser(text, std::move(names), filter).run();
  if (error.empty()) out = std::move(filter);
  return error;
}

}  // namespace sim::host
