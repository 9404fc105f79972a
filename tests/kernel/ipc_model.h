// tests/kernel/ipc_model.h — the naive twin of IPC: waiting threads are sorted lists, the call stack of a scheduling
// context is a vector. It does not know who runs when: it is told who acts, and says what comes of it.
#pragma once
#include <algorithm>
#include <vector>

#include "kernel-model/abi.h"
#include "kernel-model/objects.h"

namespace ipc_model {

using kernel::FaultType;
using kernel::ResultLabel;
using kernel::Syscall;
using kernel::ThreadState;

struct Op {
  Syscall call = Syscall::Send;
  bool is_fault = false;
  int cap = 0;    // an index into Model::caps
  int reply = 0;  // reply object
  int dest = 0;   // an index into Model::caps
  u64 label = 0;
  u64 word = 0;
};
/// What a thread was told by its last completed call.
struct Told {
  bool any = false;  // the call has results
  bool kernel = false;
  u64 label = 0;
  u64 badge = 0;
  std::vector<u64> words;
};
struct Cap {
  enum Kind { Endpoint, Notification, Reply } kind = Endpoint;
  int object = 0;
  u64 badge = 0;
  bool grants = true;
};
struct Thread {
  int priority = 0;
  ThreadState state = ThreadState::Inactive;
  int sc = -1;
  int reply = -1;
  int on = -1;  // endpoint or notification
  bool sends_call = false;
  bool sends_grant = false;
  u64 sends_badge = 0;
  bool pending = false;  // its call is not completed
  bool second_phase = false;
  Op op;
  bool faulted = false;
  u64 fault_word = 0;
  int fault_cap = -1;
  int bound = -1;  // notification
  Told told;
};
struct Endpoint {
  std::vector<int> waiting;
  bool senders = false;
};
struct Notification {
  bool active = false;
  u64 word = 0;
  std::vector<int> waiting;
  int bound = -1;
  int sc = -1;
};
struct Sc {
  int owner = -1;
  int notification = -1;
  std::vector<int> stack;  // reply objects, first call first
};

class Model {
 public:
  std::vector<Thread> threads;
  std::vector<Endpoint> endpoints;
  std::vector<Notification> notifications;
  std::vector<Sc> scs;
  std::vector<int> replies;  // the thread each is linked with
  std::vector<Cap> caps;

  /// The thread acts; a repeated call begins where it was.
  void act(int t, const Op& op, bool repeated) {
    Thread& self = threads[t];
    self.state = ThreadState::Running;
    if (op.is_fault) {
      fault(t, op.word);
      return;
    }
    self.op = op;
    self.pending = true;
    if (!repeated) self.second_phase = false;
    switch (op.call) {
      case Syscall::Call:
        if (send_phase(t, caps[op.cap], true, true, true) && self.state == ThreadState::Running && self.pending) {
          tell(t, ResultLabel::None);
        }
        break;
      case Syscall::Send:
        if (send_phase(t, caps[op.cap], false, true, false)) done(t);
        break;
      case Syscall::NBSend:
        if (send_phase(t, caps[op.cap], false, false, false)) done(t);
        break;
      case Syscall::Signal:
        if (send_phase(t, caps[op.cap], false, true, false)) done(t);
        break;
      case Syscall::ReplyRecv:
        if (!self.second_phase) answer(t, op.reply);
        self.second_phase = true;
        receive_phase(t, true, true);
        break;
      case Syscall::NBSendRecv:
      case Syscall::NBSendWait:
        if (!self.second_phase && !send_phase(t, caps[op.dest], false, false, true)) break;
        self.second_phase = true;
        receive_phase(t, true, op.call == Syscall::NBSendRecv);
        break;
      case Syscall::Recv: receive_phase(t, true, true); break;
      case Syscall::NBRecv: receive_phase(t, false, true); break;
      case Syscall::Wait: receive_phase(t, true, false); break;
      default: receive_phase(t, false, false); break;  // NBWait
    }
  }

  void suspend(int t) {
    cancel(t);
    threads[t].state = ThreadState::Inactive;
  }
  void resume(int t) {
    if (is_runnable(t)) return;
    cancel(t);
    threads[t].state = ThreadState::Restart;
  }
  void set_priority(int t, int priority) {
    threads[t].priority = priority;
    std::vector<int>* list = nullptr;
    if (threads[t].state == ThreadState::BlockedOnNotification) list = &notifications[threads[t].on].waiting;
    if (threads[t].state == ThreadState::BlockedOnSend || threads[t].state == ThreadState::BlockedOnReceive) {
      list = &endpoints[threads[t].on].waiting;
    }
    if (list == nullptr) return;
    std::erase(*list, t);
    insert(*list, t);
  }
  void signal(int n, u64 badge) {
    Notification& it = notifications[n];
    if (it.active) {
      it.word |= badge;
    } else if (!it.waiting.empty()) {
      const int t = it.waiting.front();
      it.waiting.erase(it.waiting.begin());
      wake_with(t, n, badge);
    } else if (it.bound >= 0 && threads[it.bound].state == ThreadState::BlockedOnReceive) {
      const int t = it.bound;
      leave_wait(t);
      wake_with(t, n, badge);
    } else {
      it.active = true;
      it.word = badge;
    }
  }
  bool bind(int sc, int t) {
    if (scs[sc].owner >= 0 || threads[t].sc >= 0) return false;
    give(sc, t);
    return true;
  }
  bool unbind(int sc, int t) {
    if (scs[sc].owner != t) return false;
    scs[sc].owner = -1;
    threads[t].sc = -1;
    return true;
  }
  /// The last cap of a reply object goes; it comes back as new.
  void destroy_reply(int r) {
    const int t = replies[r];
    if (t < 0) return;
    if (threads[t].state == ThreadState::BlockedOnReply) {
      end_reply(r);
    } else {
      leave_wait(t);
      threads[t].state = ThreadState::Restart;
    }
  }
  bool is_runnable(int t) const {
    return threads[t].state == ThreadState::Running || threads[t].state == ThreadState::Restart;
  }

 private:
  void insert(std::vector<int>& list, int t) {
    auto at = list.begin();
    while (at != list.end() && threads[*at].priority >= threads[t].priority) ++at;
    list.insert(at, t);
  }
  void done(int t) {
    threads[t].pending = false;
    threads[t].second_phase = false;
    threads[t].told = {};
  }
  void tell(int t, u64 label, u64 badge, bool kernel, std::vector<u64> words) {
    done(t);
    threads[t].told = {true, kernel, label, badge, std::move(words)};
  }
  void tell(int t, ResultLabel label, u64 badge = 0) { tell(t, static_cast<u64>(label), badge, true, {}); }

  void give(int sc, int to) {
    if (scs[sc].owner >= 0) threads[scs[sc].owner].sc = -1;
    scs[sc].owner = to;
    threads[to].sc = sc;
  }
  void lend(int n, int t) {
    const int sc = notifications[n].sc;
    if (threads[t].sc < 0 && sc >= 0 && scs[sc].owner < 0) give(sc, t);
  }
  void hand_back(int n, int t) {
    const int sc = notifications[n].sc;
    if (sc < 0 || threads[t].sc != sc) return;
    scs[sc].owner = -1;
    threads[t].sc = -1;
  }
  void wake_with(int t, int n, u64 badge) {
    tell(t, ResultLabel::Signal, badge);
    threads[t].state = ThreadState::Running;
    threads[t].on = -1;
    lend(n, t);
  }

  void message(int from, int to, u64 badge) {
    const Thread& sender = threads[from];
    if (sender.faulted) {
      tell(to, static_cast<u64>(FaultType::UserException), badge, true, {1, 2, 3, sender.fault_word});
    } else {
      tell(to, sender.op.label, badge, false, {sender.op.word, sender.op.label});
    }
  }
  void lose(int t) {
    if (threads[t].faulted) {
      threads[t].state = ThreadState::Inactive;
    } else {
      tell(t, ResultLabel::ReplyLost);
      threads[t].state = ThreadState::Running;
    }
  }
  // Where r lies: the SC and the place in its stack.
  bool find(int r, int& sc, std::size_t& at) const {
    for (std::size_t s = 0; s < scs.size(); ++s) {
      for (std::size_t i = 0; i < scs[s].stack.size(); ++i) {
        if (scs[s].stack[i] != r) continue;
        sc = static_cast<int>(s);
        at = i;
        return true;
      }
    }
    return false;
  }
  void leave_stack(int r, bool give_back) {
    int sc = -1;
    std::size_t at = 0;
    if (!find(r, sc, at)) return;
    std::vector<int>& stack = scs[sc].stack;
    const bool head = at + 1 == stack.size();
    if (head && give_back) {
      stack.pop_back();
      if (threads[replies[r]].sc < 0) give(sc, replies[r]);
    } else {
      stack.erase(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(at) + 1);  // those below get nothing
    }
  }
  void unlink(int r) {
    threads[replies[r]].reply = -1;
    replies[r] = -1;
  }
  void end_reply(int r) {
    const int t = replies[r];
    if (threads[t].state != ThreadState::BlockedOnReply) {
      cancel(t);
      return;
    }
    leave_stack(r, true);
    unlink(r);
    lose(t);
  }
  void leave_wait(int t) {
    Thread& self = threads[t];
    if (self.state == ThreadState::BlockedOnSend || self.state == ThreadState::BlockedOnReceive) {
      std::erase(endpoints[self.on].waiting, t);
      if (self.reply >= 0) unlink(self.reply);
    } else if (self.state == ThreadState::BlockedOnNotification) {
      std::erase(notifications[self.on].waiting, t);
    } else if (self.state == ThreadState::BlockedOnReply) {
      leave_stack(self.reply, false);
      unlink(self.reply);
    }
    self.on = -1;
  }
  void cancel(int t) {
    leave_wait(t);
    threads[t].faulted = false;
    threads[t].state = ThreadState::Inactive;
  }

  void send(int t, int e, u64 badge, bool grants, bool call, bool blocking, bool donates) {
    Endpoint& it = endpoints[e];
    Thread& self = threads[t];
    if (it.waiting.empty() || it.senders) {
      if (!blocking) return;
      self.state = ThreadState::BlockedOnSend;
      self.on = e;
      self.sends_call = call;
      self.sends_grant = grants;
      self.sends_badge = badge;
      it.senders = true;
      insert(it.waiting, t);
      return;
    }
    const int d = it.waiting.front();
    it.waiting.erase(it.waiting.begin());
    message(t, d, badge);
    threads[d].on = -1;
    const int r = threads[d].reply;
    if (r >= 0) unlink(r);
    const bool gives = donates && threads[d].sc < 0 && self.sc >= 0;
    if (call && r >= 0 && grants) {
      self.state = ThreadState::BlockedOnReply;
      self.reply = r;
      replies[r] = t;
      if (gives) {
        scs[self.sc].stack.push_back(r);
        give(self.sc, d);
      }
    } else if (call) {
      lose(t);
    } else if (gives) {
      give(self.sc, d);
    }
    threads[d].state = ThreadState::Running;
  }
  // True when the call goes on.
  bool send_phase(int t, const Cap& cap, bool call, bool blocking, bool donates) {
    if (cap.kind == Cap::Notification) {
      signal(cap.object, cap.badge);
    } else if (cap.kind == Cap::Reply) {
      answer(t, cap.object);
    } else {
      send(t, cap.object, cap.badge, cap.grants, call, blocking, donates);
      return !call && threads[t].state == ThreadState::Running;
    }
    return true;
  }
  void answer(int t, int r) {
    const int c = replies[r];
    if (c < 0 || threads[c].state != ThreadState::BlockedOnReply) return;
    leave_stack(r, true);
    unlink(r);
    if (threads[c].faulted) {
      threads[c].faulted = false;
      threads[c].state = threads[t].op.label == 0 ? ThreadState::Restart : ThreadState::Inactive;
    } else {
      message(t, c, 0);
      threads[c].state = ThreadState::Running;
    }
  }
  void receive_phase(int t, bool blocking, bool with_reply) {
    Thread& self = threads[t];
    const Cap& cap = caps[self.op.cap];
    if (cap.kind == Cap::Notification) {
      Notification& it = notifications[cap.object];
      if (it.active) {
        take(t, cap.object);
      } else if (!blocking) {
        tell(t, ResultLabel::Nothing);
      } else {
        hand_back(cap.object, t);
        self.state = ThreadState::BlockedOnNotification;
        self.on = cap.object;
        insert(it.waiting, t);
      }
      return;
    }
    const int r = with_reply ? self.op.reply : -1;
    if (r >= 0 && replies[r] >= 0) end_reply(r);
    if (self.bound >= 0 && notifications[self.bound].active) {
      take(t, self.bound);
      return;
    }
    Endpoint& it = endpoints[cap.object];
    if (it.waiting.empty() || !it.senders) {
      if (!blocking) {
        tell(t, ResultLabel::Nothing);
        return;
      }
      if (self.bound >= 0) hand_back(self.bound, t);
      self.state = ThreadState::BlockedOnReceive;
      self.on = cap.object;
      self.reply = r;
      if (r >= 0) replies[r] = t;
      it.senders = false;
      insert(it.waiting, t);
      return;
    }
    const int s = it.waiting.front();
    it.waiting.erase(it.waiting.begin());
    threads[s].on = -1;
    message(s, t, threads[s].sends_badge);
    if (!threads[s].sends_call) {
      done(s);
      threads[s].state = ThreadState::Running;
    } else if (r < 0 || !threads[s].sends_grant) {
      lose(s);
    } else {
      threads[s].state = ThreadState::BlockedOnReply;
      threads[s].reply = r;
      replies[r] = s;
      if (self.sc < 0 && threads[s].sc >= 0) {
        scs[threads[s].sc].stack.push_back(r);
        give(threads[s].sc, t);
      }
    }
  }
  void take(int t, int n) {
    const u64 word = notifications[n].word;
    notifications[n].active = false;
    notifications[n].word = 0;
    tell(t, ResultLabel::Signal, word);
    lend(n, t);
  }
  void fault(int t, u64 word) {
    Thread& self = threads[t];
    self.faulted = true;
    self.fault_word = word;
    if (self.fault_cap < 0) {
      self.state = ThreadState::Inactive;
      return;
    }
    const Cap& cap = caps[self.fault_cap];
    send(t, cap.object, cap.badge, cap.grants, true, true, true);
  }
};

}  // namespace ipc_model
