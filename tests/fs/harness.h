// tests/fs/harness.h — drives a Server with messages in memory, no kernel: a gate that mints badges as plain numbers,
// and a client with one line per call.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/allocator.h"
#include "fs/server.h"
#include "schema/codec.h"

namespace fs::test {

struct TestAllocator final : base::Allocator {
  std::map<void*, u64> blocks;
  u64 budget_blocks = ~u64{0};  // allocations that still succeed
  void* try_allocate(u64 bytes, u64) override {
    if (budget_blocks == 0) return nullptr;
    budget_blocks -= 1;
    void* block = ::operator new(bytes == 0 ? 1 : bytes);
    blocks[block] = bytes;
    return block;
  }
  void* allocate(u64 bytes, u64 align) override {
    if (budget_blocks == 0) budget_blocks = 1;
    return try_allocate(bytes, align);
  }
  void release(void* block, u64 bytes) override {
    ASSERT(blocks.at(block) == bytes);
    blocks.erase(block);
    ::operator delete(block);
  }
};

struct TestClock final : Clock {
  i64 now = 1'000;
  i64 wall_ns() override { return now += 1; }
};

struct Completion {
  u64 label = 0;
  std::vector<u8> message;
};

/// Slots are badges: the capability that goes with a reply is known by its badge.
struct TestGate final : Gate {
  std::map<u32, bool> sessions;
  std::map<u32, Completion> completed;  // by reply
  std::map<u32, bool> signals;          // kept → signalled
  u32 next_signal = 1;
  Identity identity_of_cap;
  bool refuse_mint = false;
  Result<void> open_session(u32 session) override {
    sessions[session] = true;
    return {};
  }
  void close_session(u32 session) override { sessions.erase(session); }
  Result<u64> mint(u32 session, u64 badge) override {
    if (refuse_mint) return fail(ErrorCode::TooManyOpenFiles);
    ASSERT(sessions.count(session) == 1);
    return badge;
  }
  Result<Identity> identify(const Request& request) override {
    if (!request.received_cap) return fail(ErrorCode::PermissionDenied);
    return identity_of_cap;
  }
  Result<u32> keep_signal() override {
    signals[next_signal] = false;
    return next_signal++;
  }
  void signal(u32 kept) override {
    ASSERT(signals.count(kept) == 1);
    signals[kept] = true;
  }
  void drop_signal(u32 kept) override { signals.erase(kept); }
  void complete(u32 reply, u64 label, base::Bytes message) override {
    ASSERT(completed.count(reply) == 0);  // exactly one answer
    completed[reply] = {label, {message.begin(), message.end()}};
  }
  void work(u64) override {}
};

/// What one call came to. `error` is None for success; views of `value()` point into `message`.
template <class Method>
struct Answer {
  ErrorCode error = ErrorCode::None;
  bool parked = false;
  u32 reply_name = 0;
  u64 cap = 0;
  std::string detail;
  std::string target;
  u32 consumed = 0;
  std::vector<u8> message;
  typename Method::Reply value() const { return MUST(schema::decode<typename Method::Reply>(base::Bytes(message))); }
  bool ok() const { return error == ErrorCode::None && !parked; }
};

class TestClient {
 public:
  TestClient(Server& server, TestGate& gate) : server_(server), gate_(gate), out_(schema::kMessageBytesMax) {}

  template <class Method>
  Answer<Method> call(u64 badge, const typename Method::Request& request, std::vector<u64> directories = {},
                      bool with_cap = false) {
    std::vector<u8> body(schema::kMessageBytesMax);
    body.resize(MUST(schema::encode(request, base::MutableBytes(body))));
    Request incoming{.badge = badge, .label = schema::label_of<Method>(), .body = body};
    for (const u64 directory : directories) {
      incoming.unwrapped |= 1u << incoming.cap_count;
      incoming.cap_badges[incoming.cap_count] = directory;
      incoming.cap_count += 1;
    }
    if (with_cap) {
      incoming.cap_count += 1;
      incoming.received_cap = true;
    }
    incoming.reply = next_reply_++;
    const Outcome outcome = server_.handle(incoming, out_);
    server_.check_invariants();
    Answer<Method> answer{.parked = outcome.parked, .reply_name = incoming.reply};
    if (!outcome.parked) fill(answer, outcome.label, base::Bytes(out_).first(outcome.bytes), outcome.cap_slot);
    return answer;
  }

  /// The answer to a request that was parked; `parked` stays true if there is none yet.
  template <class Method>
  Answer<Method> completed(const Answer<Method>& before) {
    Answer<Method> answer = before;
    const auto found = gate_.completed.find(before.reply_name);
    if (found == gate_.completed.end()) return answer;
    answer.parked = false;
    fill(answer, found->second.label, found->second.message, 0);
    return answer;
  }

  u64 attach(const Identity& identity = {}) { return MUST(server_.make_session(identity, "", 0)); }

 private:
  template <class Method>
  void fill(Answer<Method>& answer, u64 label, base::Bytes message, u64 cap) {
    answer.error = static_cast<ErrorCode>(label);
    answer.cap = cap;
    answer.message.assign(message.begin(), message.end());
    if (label != 0) {
      const auto failure = MUST(schema::decode<schema::file::Failure>(base::Bytes(answer.message)));
      ASSERT(failure.error == label);
      answer.detail = std::string(failure.detail);
      answer.target = std::string(failure.target);
      answer.consumed = failure.consumed;
    }
  }
  Server& server_;
  TestGate& gate_;
  std::vector<u8> out_;
  u32 next_reply_ = 1;
};

inline std::string text(base::Bytes bytes) { return std::string(base::text_of(bytes)); }

}  // namespace fs::test
