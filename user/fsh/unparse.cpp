// user/fsh/unparse.cpp — a node back to text. What comes out parses to the same node: subshells are started on it.
#include "user/fsh/syntax.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

/// Here-documents stand behind the line's end, so a text that has one cannot be followed on its line.
class Printer {
 public:
  explicit Printer(base::String& out) : out_(out), here_(out.allocator()) {}

  void node(const Node& node);
  void flush_here() {
    for (const Redirect* redirect : here_) {
      out_.push('\n');
      out_.append(redirect->here->body);
      out_.append(redirect->here->delimiter);
    }
    if (!here_.empty()) out_.push('\n');
    here_.clear();
  }

 private:
  void delimiter_word(const HereDocument& here);
  void redirects(std::span<const Redirect> list);
  void words(std::span<const Word> list);
  void block(const Node& node, std::string_view closer);
  void separator() {
    if (here_.empty()) {
      out_.append("; ");
    } else {
      flush_here();
    }
  }

  base::String& out_;
  base::Vector<const Redirect*> here_;
};

void Printer::words(std::span<const Word> list) {
  for (const Word& word : list) {
    out_.push(' ');
    out_.append(word.text);
  }
}

void Printer::redirects(std::span<const Redirect> list) {
  static constexpr std::string_view kOperators[] = {"<", ">", ">|", ">>", "<>", "<&", ">&", "<<"};
  for (const Redirect& redirect : list) {
    out_.push(' ');
    if (redirect.fd >= 0) out_.append_format("{}", redirect.fd);
    out_.append(kOperators[static_cast<u8>(redirect.kind)]);
    if (redirect.kind == RedirectKind::Here) {
      delimiter_word(*redirect.here);
      here_.push_back(&redirect);
    } else {
      out_.append(redirect.target.text);
    }
  }
}

/// The delimiter as a word that means the same: quoted where its document is not expanded.
void Printer::delimiter_word(const HereDocument& here) {
  if (!here.literal) {
    out_.append(here.delimiter);
    return;
  }
  out_.push('\'');
  for (const char c : here.delimiter) {
    if (c == '\'') {
      out_.append("'\\''");
    } else {
      out_.push(c);
    }
  }
  out_.push('\'');
}

void Printer::block(const Node& body, std::string_view closer) {
  out_.push(' ');
  node(body);
  if (!here_.empty()) {
    flush_here();
  } else if (out_.back() == '&') {
    out_.push(' ');
  } else {
    out_.append("; ");
  }
  out_.append(closer);
}

void Printer::node(const Node& node) {
  switch (node.kind) {
    case NodeKind::Simple: {
      const u64 start = out_.size();
      // Behind a redirection `{` is an ordinary word; in front of it, it would open a group.
      const bool redirects_first = node.assignments.empty() && !node.words.empty() && is_reserved(node.words[0].text);
      if (redirects_first) redirects(node.redirects);
      for (const Assignment& assignment : node.assignments) {
        if (out_.size() != start) out_.push(' ');
        out_.append(assignment.name).append("=").append(assignment.value.text);
      }
      for (const Word& word : node.words) {
        if (out_.size() != start) out_.push(' ');
        out_.append(word.text);
      }
      if (!redirects_first) redirects(node.redirects);
      return;
    }
    case NodeKind::Pipeline:
      if (node.negate) out_.append("! ");
      if (node.timed) out_.append("time ");
      for (u64 i = 0; i < node.parts.size(); ++i) {
        if (i != 0) out_.append(" | ");
        this->node(*node.parts[i]);
      }
      break;
    case NodeKind::AndOr:
      for (u64 i = 0; i < node.parts.size(); ++i) {
        if (i != 0) out_.append(node.joints[i - 1] == Joint::And ? " && " : " || ");
        this->node(*node.parts[i]);
      }
      break;
    case NodeKind::List:
      for (u64 i = 0; i < node.parts.size(); ++i) {
        this->node(*node.parts[i]);
        const bool last = i + 1 == node.parts.size();
        if (node.joints[i] == Joint::Background) {
          out_.append(" &");
          if (!here_.empty()) flush_here();
          if (!last) out_.push(' ');
        } else if (!last) {
          separator();
        }
      }
      break;
    case NodeKind::Group:
      out_.push('{');
      block(*node.parts[0], "}");
      break;
    case NodeKind::Subshell:
      out_.push('(');
      this->node(*node.parts[0]);
      flush_here();
      out_.push(')');
      break;
    case NodeKind::If:
      for (u64 i = 0; i + 1 < node.parts.size(); i += 2) {
        out_.append(i == 0 ? "if" : "elif");
        block(*node.parts[i], "then");
        block(*node.parts[i + 1], "");
      }
      if (node.parts.size() % 2 == 1) {
        out_.append("else");
        block(*node.parts.back(), "");
      }
      out_.append("fi");
      break;
    case NodeKind::While:
    case NodeKind::Until:
      out_.append(node.kind == NodeKind::While ? "while" : "until");
      block(*node.parts[0], "do");
      block(*node.parts[1], "done");
      break;
    case NodeKind::For:
      out_.append("for ").append(node.name);
      if (node.has_in) {
        out_.append(" in");
        words(node.words);
      }
      out_.append("; do");
      block(*node.parts[0], "done");
      break;
    case NodeKind::Case:
      out_.append("case ").append(node.words[0].text).append(" in");
      for (const CaseItem& item : node.items) {
        out_.append(" (");
        for (u64 i = 0; i < item.patterns.size(); ++i) {
          if (i != 0) out_.push('|');
          out_.append(item.patterns[i].text);
        }
        out_.push(')');
        if (item.body != nullptr) {
          out_.push(' ');
          this->node(*item.body);
          flush_here();
        }
        out_.append(item.fall_through ? " ;&" : " ;;");
      }
      out_.append(" esac");
      break;
    case NodeKind::Function:
      out_.append(node.name).append("() ");
      this->node(*node.parts[0]);
      break;
  }
  redirects(node.redirects);
}

}  // namespace

void unparse(const Node& node, base::String& out) {
  Printer printer(out);
  printer.node(node);
  printer.flush_here();
}

}  // namespace user::fsh
