// tests/sim/filter_test.cpp — the filter language: what passes, what is refused and where, against a naive reading.
#include "sim/host/filter.h"

#include <catch2/catch.hpp>

#include "base/prng.h"
#include "base/emit.h"

namespace {

using base::EventKind;
using sim::host::Filter;
using sim::host::parse_filter;

base::Event event_of(EventKind kind) {
  base::Event event;
  event.kind = static_cast<u16>(kind);
  event.lane = static_cast<u8>(base::lane_of(kind));
  event.sequence = 1;
  return event;
}

sim::host::FilterNames names() {
  sim::host::FilterNames names;
  names.nodes = {"a", "b"};
  names.thread = [](u32 node, u32 id) -> std::string_view {
    if (node == 1 && id == 7) return "fsh";
    return id == 9 ? "fxfs.1" : "";
  };
  return names;
}

bool passes(std::string_view text, const base::Event& event) {
  Filter filter;
  const std::string wrong = parse_filter(text, names(), filter);
  INFO(text << ": " << wrong);
  REQUIRE(wrong.empty());
  return filter.matches(event);
}

std::string refusal(std::string_view text) {
  Filter filter;
  return parse_filter(text, names(), filter);
}

}  // namespace

TEST_CASE("a filter picks events by kind, lane and comma list", "[sim][filter]") {
  const base::Event transfer = event_of(EventKind::IpcTransfer);
  const base::Event run = event_of(EventKind::SchedRun);
  for (const char* text : {"all", "*", "ipc", "ipc.*", "ipc.transfer", "ipc.trans*", "sched,ipc", "cap,ipc.transfer",
                           "not sched", "kind=ipc.transfer", "lane=ipc", "kind~transf", "lane!=sched"}) {
    CAPTURE(text);
    CHECK(passes(text, transfer));
  }
  for (const char* text : {"sched", "ipc.call", "ipc.transfer and sched", "not ipc", "disk", "disk.*", "inject,check",
                           "kind=sched.run", "not (ipc or cap)"}) {
    CAPTURE(text);
    CHECK_FALSE(passes(text, transfer));
  }
  CHECK(passes("sched.run", run));
  CHECK_FALSE(Filter().matches(run));
}

TEST_CASE("a filter compares fields, operands by name, nodes and threads", "[sim][filter]") {
  base::Event event = event_of(EventKind::IpcTransfer);
  event.node = 1;
  event.core = 2;
  event.thread = 7;
  event.object = 0x4000;
  event.a = 3;
  event.b = 12;  // badge of a transfer
  event.flags = 0b1010;
  event.time_ns = 2'500'000'000;
  event.sequence = 812;
  event.cause = 800;
  for (const char* text : {"node=a",
                           "node=1",
                           "node!=b",
                           "node=*",
                           "node~a",
                           "node>0",
                           "node!=world",
                           "thread=fsh",
                           "thread=f*",
                           "thread~s",
                           "thread=7",
                           "thread=0x7",
                           "core=2",
                           "object=0x4000",
                           "a=3 b=12",
                           "badge=12",
                           "badge>=12",
                           "sender<=3",
                           "flags~2",
                           "time>=2.5s",
                           "t<3s",
                           "seq=812",
                           "cause<801",
                           "ipc.transfer node=a",
                           "ipc node=b or badge=12",
                           "not thread=fxfs.1",
                           "(node=a or node=b) and not core=0",
                           "node=\"a\"",
                           "thread!=\"x (1)\""}) {
    CAPTURE(text);
    CHECK(passes(text, event));
  }
  for (const char* text : {"node=b", "node=world", "thread=fxfs.1", "thread!=f*", "badge=13", "flags~5", "time<2s",
                           "bytes=3", "not badge=12", "core!=2", "sched node=a"}) {
    CAPTURE(text);
    CHECK_FALSE(passes(text, event));
  }
  // A test on an operand this kind does not have fails either way round.
  CHECK_FALSE(passes("line=0", event));
  CHECK_FALSE(passes("line!=0", event));
  // A name is a text; eight bytes of it are kept.
  base::Event exit = event_of(EventKind::VmProcessExit);
  exit.a = 12;
  exit.b = 3;
  exit.c = base::short_name("process-with-a-long-name");
  CHECK(passes("vm.process-exit name=process-with-a-long-name pid=12 status=3", exit));
  CHECK(passes("name!=dev and name=process-", exit));
  CHECK_FALSE(passes("name=dev", exit));
  CHECK_FALSE(passes("name!=process-", exit));
  event.node = 2;
  CHECK_FALSE(passes("thread=fsh", event));
  CHECK(passes("node=b", event));
}

TEST_CASE("within … after remembers what was last seen", "[sim][filter]") {
  Filter filter;
  REQUIRE(parse_filter("ipc.reply within 5ms after (irq.raise node=1)", names(), filter).empty());
  base::Event raise = event_of(EventKind::IrqRaise);
  base::Event reply = event_of(EventKind::IpcReply);
  reply.time_ns = 1;
  CHECK_FALSE(filter.matches(reply));
  raise.node = 2;
  raise.time_ns = 10;
  CHECK_FALSE(filter.matches(raise));
  reply.time_ns = 20;
  CHECK_FALSE(filter.matches(reply));
  raise.node = 1;
  raise.time_ns = 100;
  CHECK_FALSE(filter.matches(raise));
  reply.time_ns = 5'000'100;
  CHECK(filter.matches(reply));
  reply.time_ns = 5'000'101;
  CHECK_FALSE(filter.matches(reply));
  // What is looked for is not after itself; the second is after the first.
  REQUIRE(parse_filter("irq within 1s after (irq)", names(), filter).empty());
  CHECK_FALSE(filter.matches(raise));
  CHECK(filter.matches(raise));
}

TEST_CASE("a mistake in a filter is answered with its column", "[sim][filter]") {
  CHECK(refusal("ipc.trasnfer") == "column 1: no kind of event is called 'ipc.trasnfer'; did you mean 'ipc.transfer'?");
  CHECK(refusal("sched or nodee=1") == "column 10: no event has a field 'nodee'; did you mean 'node'?");
  CHECK(refusal("ipc node=c").starts_with("column 10: there is no node 'c'"));
  CHECK(refusal("badge=seven") == "column 7: 'seven' is not a number (decimal or 0x…)");
  CHECK(refusal("time>soon").starts_with("column 6: 'soon' is not a time"));
  CHECK(refusal("(ipc or sched") == "column 1: the parenthesis is not closed");
  CHECK(refusal("ipc)") == "column 4: unexpected ')'");
  CHECK(refusal("ipc or") == "column 7: the filter ends where a test is expected");
  CHECK(refusal("or ipc") == "column 1: a test is expected before 'or'");
  CHECK(refusal("") == "column 1: a filter is empty; `all` passes every event");
  CHECK(refusal("badge").starts_with("column 1: 'badge' is followed by"));
  CHECK(refusal("badge=").starts_with("column 7: a value is expected"));
  CHECK(refusal("thread<fsh").starts_with("column 1: 'thread' with a name"));
  CHECK(refusal("kind<ipc.call").starts_with("column 1: 'kind' is a name"));
  CHECK(refusal("lane=ipx") == "column 6: no kind of event is called 'ipx'; did you mean 'ipc'?");
  CHECK(refusal("ipc within soon after (irq)").starts_with("column 12: 'soon' is not a time"));
  CHECK(refusal("ipc within 5ms (irq)").starts_with("column 16: `within TIME`"));
  CHECK(refusal("thread=\"fsh").starts_with("column 8: the quote has no end"));
  CHECK(refusal(std::string(40, '(') + "ipc").find("nested more than 32") != std::string::npos);
  CHECK(refusal(std::string(40, 'x') + std::string(5000, ' ')).find("at most 4096") != std::string::npos);
}

TEST_CASE("a filter says of each event what its text says, read naively", "[sim][filter][model]") {
  // Random formulas over four tests whose truth is known, written out with random parentheses.
  const char* const tests[] = {"ipc.transfer", "core=1", "node=2", "badge>5"};
  for (u64 seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.filter"};
    struct Formula {
      std::string text;
      u32 truth;  // bit i: the answer for the i-th of 16 assignments
    };
    const u32 columns[4] = {0xAAAA, 0xCCCC, 0xF0F0, 0xFF00};
    std::vector<Formula> pool;
    for (u32 i = 0; i < 4; ++i) pool.push_back({tests[i], columns[i]});
    for (u32 i = 0; i < 6; ++i) {
      const u64 which = prng.below(pool.size());
      const u64 other = prng.below(pool.size());
      const Formula left = pool[which];
      const Formula right = pool[other];
      switch (prng.below(4)) {
        case 0: pool.push_back({"(" + left.text + ") and (" + right.text + ")", left.truth & right.truth}); break;
        case 1: pool.push_back({"(" + left.text + ") or (" + right.text + ")", left.truth | right.truth}); break;
        case 2: pool.push_back({"not (" + left.text + ")", ~left.truth & 0xFFFF}); break;
        default: pool.push_back({"((" + left.text + ") (" + right.text + "))", left.truth & right.truth}); break;
      }
    }
    Filter filter;
    CAPTURE(pool.back().text);
    if (pool.back().text.size() > sim::host::kFilterBytesMax) continue;
    REQUIRE(parse_filter(pool.back().text, names(), filter).empty());
    for (u32 assignment = 0; assignment < 16; ++assignment) {
      // `badge` is an operand of a transfer only, so the other kind is one that has it too.
      base::Event event = event_of((assignment & 1) != 0 ? EventKind::IpcTransfer : EventKind::SchedBlock);
      event.core = (assignment & 2) != 0 ? 1 : 0;
      event.node = (assignment & 4) != 0 ? 2 : 1;
      event.b = (assignment & 8) != 0 ? 6 : 5;
      REQUIRE(filter.matches(event) == ((pool.back().truth >> assignment & 1) != 0));
    }
  }
}
