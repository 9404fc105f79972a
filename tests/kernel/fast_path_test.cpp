// tests/kernel/fast_path_test.cpp — the fast path against the general one: the same random calls, replies and interferences
// in two laboratories of which one has no fast path. Every event, every moment and the whole state must agree.
#include <cstring>

#include "tests/kernel/lab.h"

using namespace lab;

namespace {

/// One laboratory and the objects of the scene: clients that call, servers that answer or call on, most of them passive.
struct Scene {
  Lab lab;
  std::vector<Cptr> endpoints;
  std::vector<Cptr> caps;  // to the endpoints: all rights, badged, without Grant, without Write
  std::vector<Cptr> replies;
  std::vector<Thread*> threads;
  u64 server_count = 0;
  Cptr bound = 0;

  Scene(u64 seed, bool fast) : lab(Options{.cores = 1 + static_cast<u32>(seed % 2), .check_every = 16}) {
    lab.kernel().set_fast_path(fast);
    base::Prng prng(seed, "test.fast-path-scene");
    for (u32 i = 0; i < 2; ++i) {
      endpoints.push_back(lab.endpoint());
      caps.push_back(endpoints[i]);
      caps.push_back(lab.minted(endpoints[i], 40 + i));
      caps.push_back(lab.minted(endpoints[i], 50 + i, kRightRead | kRightWrite | kRightGrantReply));
      caps.push_back(lab.minted(endpoints[i], 60 + i, kRightRead | kRightWrite));
      caps.push_back(lab.minted(endpoints[i], 70 + i, kRightRead));
    }
    const u32 cores = 1 + static_cast<u32>(seed % 2);
    for (u32 i = 0; i < 2 + prng.below(2); ++i) {
      replies.push_back(lab.reply());
      const ThreadOptions options{.priority = static_cast<u8>(99 + prng.below(4)), .core = i % cores};
      threads.push_back(&lab.passive_server(endpoints[i % 2], replies.back(), options));
    }
    server_count = threads.size();
    bound = lab.notification();
    CHECK(lab.bind_notification(*threads[0], bound).ok());
    for (u32 i = 0; i < 3; ++i) {
      replies.push_back(lab.reply());
      ThreadOptions options{.priority = static_cast<u8>(98 + prng.below(4)), .core = i % cores};
      options.fault_endpoint = prng.below(2) == 0 ? caps[1] : 0;
      if (prng.below(3) == 0) options.period = us(40'000);
      threads.push_back(&lab.thread(options));
    }
    lab.events.clear();
  }

  Message random_message(base::Prng& prng) {
    Message sent = message(prng.below(5));
    for (u64 i = prng.below(4) == 0 ? 5 + prng.below(20) : prng.below(5); i > 0; --i) sent.words.push_back(prng.next());
    sent.in_buffer = prng.below(6) == 0;
    if (prng.below(12) == 0) sent.caps.push_back(caps[prng.below(caps.size())]);
    return sent;
  }

  void step(base::Prng& prng) {
    const u64 which = prng.below(threads.size());
    Thread& thread = *threads[which];
    const Cptr cap = caps[prng.below(caps.size())];
    const Cptr reply = replies[prng.below(4) == 0 ? prng.below(replies.size()) : which % replies.size()];
    const bool is_server = which < server_count;
    switch (prng.below(24)) {
      case 0: thread.later(nb_send(cap, random_message(prng))); break;
      case 1: thread.later(recv(endpoints[which % 2], reply)); break;
      case 2: thread.later(compute(us(prng.below(3000)))); break;
      case 3: thread.later(lab::yield()); break;
      case 4: thread.later(fault(FaultType::UserException, {1, 2, 3, 4})); break;
      case 5: lab.root_does(signal(bound)); break;
      case 6: lab.set_priority(thread, 97 + prng.below(5)); break;
      case 7:
        if (prng.below(3) == 0) lab.suspend(thread);
        lab.resume(thread);
        break;
      case 8: thread.later(nb_send_recv(cap, random_message(prng), endpoints[which % 2], reply)); break;
      case 9: thread.later(call(cap, random_message(prng))); break;
      default:
        if (is_server) {
          thread.later(reply_recv(endpoints[which % 2], reply, random_message(prng)));
        } else {
          thread.later(call(caps[prng.below(3) + 5 * prng.below(2)], random_message(prng)));
        }
        break;
    }
    if (prng.below(3) == 0) lab.run(us(prng.below(4000)));
  }
};

bool same(const std::vector<base::EventRecord>& left, const std::vector<base::EventRecord>& right) {
  return left.size() == right.size() &&
         (left.empty() || std::memcmp(left.data(), right.data(), left.size() * sizeof(base::EventRecord)) == 0);
}

}  // namespace

TEST_CASE("The fast path does what the general path does, event for event.", "[kernel][ipc][fast-path][model]") {
  u64 fast_transfers = 0;
  for (u64 seed = 1; seed <= 200; ++seed) {
    Scene with(seed, true);
    Scene without(seed, false);
    base::Prng first(seed, "test.fast-path-steps");
    base::Prng second(seed, "test.fast-path-steps");
    for (u32 i = 0; i < 120; ++i) {
      with.step(first);
      without.step(second);
      INFO("seed " << seed << ", step " << i);
      REQUIRE(same(with.lab.events, without.lab.events));
      REQUIRE(with.lab.now() == without.lab.now());
      REQUIRE(with.lab.digest() == without.lab.digest());
      for (const base::EventRecord& event : with.lab.events_of(base::EventKind::IpcTransfer)) {
        fast_transfers += event.flags >> 12 & 1;
      }
      with.lab.events.clear();
      without.lab.events.clear();
    }
  }
  CHECK(fast_transfers > 500);
}
