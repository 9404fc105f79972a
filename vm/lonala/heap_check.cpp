#include "vm/lonala/heap_check.h"

#include "vm/lonala/memory.h"

#include "base/enforce.h"

namespace lonala {
namespace {

struct Area {
  u64 low = 0;
  u64 end = 0;
  bool has(u64 offset) const { return offset >= low && offset < end; }
};

class Check {
 public:
  Check(const Vm& vm, const Process& process) : vm_(vm), young_{process.heap_low, process.hp} {
    if (process.rare == 0) return;
    const RareRecord& record = *vm.at<RareRecord>(process.rare);
    old_ = {record.old_low, record.old_top};
  }

  bool holds(Term term) const {
    switch (tag_of(term)) {
      case Tag::Pair:
      case Tag::Tuple:
      case Tag::Boxed: break;
      case Tag::Forward:
      case Tag::Header: return false;
      default: return true;
    }
    const u64 offset = offset_of(term);
    if (offset < kRootOffset + sizeof(Root) || offset >= vm_.root->grant_bytes) return false;
    if (!is_literal(vm_, offset) && !young_.has(offset) && !old_.has(offset)) {
      if (offset >= vm_.root->literal_floor || page_is_free(vm_, offset / kPageBytes)) return false;
      const PageUse use = page_use(vm_, offset);
      if (use != PageUse::Value && use != PageUse::Retired) return false;
    }
    const u64 first = *vm_.words(offset);
    return (tag_of(term) == Tag::Pair) == (tag_of(first) != Tag::Header) && tag_of(first) != Tag::Forward;
  }

  bool holds_all(const Area& area) const {
    for (u64 at = area.low; at < area.end;) {
      const u64* words = vm_.words(at);
      const bool pair = tag_of(words[0]) != Tag::Header;
      const u64 count = pair ? 1 : words_of_header(words[0]);
      at += (count + 1) * 8;
      if (at > area.end) return false;
      if (!pair && is_raw(type_of_header(words[0]))) continue;
      for (u64 i = pair ? 0 : 1; i <= count; ++i) {
        if (!holds(words[i])) return false;
      }
    }
    return true;
  }

  const Area& young() const { return young_; }
  const Area& old() const { return old_; }

 private:
  const Vm& vm_;
  Area young_;
  Area old_;
};

}  // namespace

std::string_view heap_problem(const Vm& vm, const Process& process) {
  const Check check(vm, process);
  for (u64 at = process.frame - u64{process.live} * 8; at < process.heap_end; at += 8) {
    if (!check.holds(*vm.words(at))) return "stack: a word leads to no value";
  }
  if (!check.holds_all(check.young())) return "block: an object leads to no value";
  if (!check.holds_all(check.old())) return "old generation: an object leads to no value";
  if (!check.holds(process.pending) || !check.holds(process.bindings)) return "process: a word leads to no value";
  u64 message = process.mailbox_first;
  for (u64 i = 0; i < kMessagesInBlockMax && message != 0; ++i) {
    const Message& waiting = *vm.at<Message>(message);
    if (waiting.fragments == 0 && !check.holds(waiting.term)) return "mailbox: a message leads to no value";
    message = waiting.next;
  }
  if (process.rare == 0) return "";
  const RareRecord& record = *vm.at<RareRecord>(process.rare);
  for (const Term term : {record.spaces, record.staged, record.made, record.expected}) {
    if (!check.holds(term)) return "transaction: a word leads to no value";
  }
  return "";
}

}  // namespace lonala
