// How the work of an operation grows with what it works on: no operation may be worse than the language says. Counted are the
// processor's instructions, one by one, and reductions; neither knows how busy the host is.
#include <catch2/catch.hpp>

#include <cmath>
#include <csignal>
#include <string>
#include <vector>

#include "tests/lonala/test_machine.h"
#include "tests/rounds.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/process.h"
#include "vm/lonala/scheduler.h"

namespace {

using lonala_tests::Machine;

// ── Instructions ─────────────────────────────────────────────────────────────────────────────────────────────

// Sanitizers add instructions of their own, many times as many; other processors want another way.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
constexpr bool kCounts = true;
#else
constexpr bool kCounts = false;
#endif

volatile u64 g_steps = 0;

/// Runs `work` with a trap after each instruction; how many there were. 0 where they are not counted.
template <class Work>
u64 instructions(Work work) {
#ifdef __x86_64__
  struct sigaction counting = {};
  struct sigaction before = {};
  counting.sa_handler = [](int) { g_steps = g_steps + 1; };
  sigaction(SIGTRAP, &counting, &before);
  g_steps = 0;
  // The trap flag; the 128 bytes below the stack pointer may be in use.
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
  work();
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
                   : "memory", "cc");
  sigaction(SIGTRAP, &before, nullptr);
  return g_steps;
#else
  work();
  return 0;
#endif
}

// ── Operations ───────────────────────────────────────────────────────────────────────────────────────────────

enum class Growth { Constant, Logarithmic, Linear, SortLike };

/// `made` is computed once and bound to `data`, which everybody may read; `first` runs in the process that is measured, then `operation`
/// does, while it is measured. `n` is the size.
struct Operation {
  const char* name;
  Growth growth;
  const char* made;
  const char* first;
  const char* operation;
};

constexpr const char* kNothing = "nil";
constexpr const char* kList = "(range n)";
constexpr const char* kVector = "(vec (range n))";
constexpr const char* kJoined = "(reduce concat-vec {} (repeat (quot n 10) (vec (range 10))))";
constexpr const char* kMap = "(reduce (fn [m i] (put m (* 7 i) i)) %{} (range n))";
constexpr const char* kSet = "(reduce (fn [s i] (set-add s (* 7 i))) #{} (range n))";
constexpr const char* kText = "(join \"\" (repeat n \"x\"))";
constexpr const char* kIdle = "(spawn-idle n)";
constexpr const char* kMessages = "(send-all (self) n)";

const Operation kOperations[] = {
    {"first of a list", Growth::Constant, kList, kNothing, "(first data)"},
    {"prepend", Growth::Constant, kList, kNothing, "(prepend data 1)"},
    {"nth of a tuple", Growth::Constant, "(apply tuple (range (min n 200)))", kNothing, "(nth data 99)"},
    {"count of a vector", Growth::Constant, kVector, kNothing, "(count data)"},
    {"count of a map", Growth::Constant, kMap, kNothing, "(count data)"},
    {"count of a string", Growth::Constant, kText, kNothing, "(count data)"},
    {"read of a variable", Growth::Constant, kList, kNothing, "data"},
    {"send to one with many messages", Growth::Constant, "(let [p (spawn idle)] (do (send-all p n) p))", kNothing,
     "(send data :x)"},
    {"send to one of many", Growth::Constant, kIdle, kNothing, "(send (first data) :x)"},
    {"self among many", Growth::Constant, kIdle, kNothing, "(self)"},
    {"link and unlink with many links", Growth::Constant, kIdle, "(map link (rest data))",
     "(do (link (first data)) (unlink (first data)))"},
    {"link to one with many links", Growth::Constant, "(let [p (spawn idle)] (do (spawn-linked n p) p))", kNothing,
     "(link data)"},
    {"monitor and demonitor with many monitors", Growth::Constant, kIdle, "(map monitor (rest data))",
     "(demonitor (monitor (first data)))"},
    {"exit of one that is linked with one with many links", Growth::Constant, kIdle, "(map link (rest data))",
     "(do (spawn-link (fn [] nil)) (lona.time/sleep 0))"},
    {"look at a process among many", Growth::Constant, kIdle, kNothing, "(alive? (first data))"},
    {"look at a name among many", Growth::Constant, "(map name-it (range n) (spawn-idle n))", kNothing,
     "(whereis 'p1)"},
    {"receive with a fresh ref behind many messages", Growth::Constant, kNothing, kMessages,
     "(let [r (make-ref)] (send (self) [r 1]) (receive [(= r) x] x))"},
    {"start and cancel of a timer among many", Growth::Constant, kNothing, "(start-timers n)",
     "(cancel-timer (send-after (self) 900000 :late))"},
    {"spawn and exit among many", Growth::Constant, kIdle, kNothing,
     "(let [[_ r] (spawn-monitor (fn [] nil))] (receive [:DOWN (= r) _ _] nil))"},
    {"nth of a vector", Growth::Logarithmic, kVector, kNothing, "(nth data (quot (* 2 n) 3))"},
    {"put into a vector", Growth::Logarithmic, kVector, kNothing, "(put data (quot (* 2 n) 3) 0)"},
    {"append to a vector", Growth::Logarithmic, kVector, kNothing, "(append data 0)"},
    {"get from a map", Growth::Logarithmic, kMap, kNothing, "(get data (* 7 (quot n 2)))"},
    {"put into a map", Growth::Logarithmic, kMap, kNothing, "(put data 5 0)"},
    {"removal from a map", Growth::Logarithmic, kMap, kNothing, "(dissoc data (* 7 (quot n 2)))"},
    {"membership of a set", Growth::Logarithmic, kSet, kNothing, "(set-has? data (* 7 (quot n 2)))"},
    {"addition to a set", Growth::Logarithmic, kSet, kNothing, "(set-add data 5)"},
    {"concat-vec", Growth::Logarithmic, kVector, kNothing, "(concat-vec data data)"},
    {"concat-vec of joined vectors", Growth::Logarithmic, kJoined, kNothing, "(concat-vec data data)"},
    {"slice of a vector", Growth::Logarithmic, kVector, kNothing, "(slice data 3 (- n 3))"},
    {"slice of a joined vector", Growth::Logarithmic, kJoined, kNothing, "(slice data 3 (- n 3))"},
    {"nth of a joined vector", Growth::Logarithmic, kJoined, kNothing, "(nth data (quot n 2))"},
    {"put into a joined vector", Growth::Logarithmic, kJoined, kNothing, "(put data (quot n 2) 0)"},
    {"rest by rest through a list", Growth::Linear, kList, kNothing, "(through data)"},
    {"rest by rest through a vector", Growth::Linear, kVector, kNothing, "(through data)"},
    {"rest by rest through a joined vector", Growth::Linear, kJoined, kNothing, "(through data)"},
    {"rest by rest through a map", Growth::Linear, kMap, kNothing, "(through data)"},
    {"rest by rest through a set", Growth::Linear, kSet, kNothing, "(through data)"},
    {"rest by rest through a string", Growth::Linear, kText, kNothing, "(through data)"},
    {"equality of lists", Growth::Linear, "[(range n) (range n)]", kNothing, "(= (nth data 0) (nth data 1))"},
    {"equality of maps", Growth::Linear, "(let [m (fn [] (reduce (fn [m i] (put m i i)) %{} (range n)))] [(m) (m)])",
     kNothing, "(= (nth data 0) (nth data 1))"},
    {"a list sent", Growth::Linear, kList, kNothing, "(do (send (self) (prepend data 1)) (receive [_ & _] 1 _ 2))"},
    {"a map sent", Growth::Linear, kMap, kNothing, "(do (send (self) [data]) (receive [_] 1))"},
    {"many messages to one that waits for another", Growth::Linear, "(spawn idle)", kNothing, "(send-all data n)"},
    {"sort", Growth::SortLike, "(map (fn [i] (mod (* i 7919) 10007)) (range n))", kNothing, "(sort data)"},
};

const char* const kHelpers = R"(
(def n 0)
(def data nil)
(defn idle [] (receive :never nil))
(defn spawn-idle [n] (map (fn [_] (spawn idle)) (range n)))
(defn send-all [p n] (when (> n 0) (send p [:noise n]) (send-all p (- n 1))))
(defn start-timers [n] (when (> n 0) (send-after (self) (+ 100000 n) :late) (start-timers (- n 1))))
(defn name-it [i p] (do (register (symbol (str "p" i)) p) p))
(defn spawn-linked [n p] (when (> n 0) (spawn (fn [] (link p) (receive :never nil))) (spawn-linked (- n 1) p)))
(defn through [c] (when (not (empty? c)) (through (rest c))))
)";

/// What one operation cost, with what it takes to wake its process. No instructions: they were not counted.
struct Cost {
  double size;
  u64 instructions;
  u64 reductions;
};

class Growing {
 public:
  explicit Growing(u64 size) : machine_({}, u64{512} << 20), size_(size) {
    REQUIRE(machine_.vm.root != nullptr);
    value(kHelpers);
    measure({"nothing", Growth::Constant, "nil", "nil", "nil"}, true);  // what happens once only
  }

  Cost measure(const Operation& operation, bool stepwise) {
    const std::string n = std::to_string(size_);
    value("(def n " + n + ") (def data " + operation.made + ")");
    value("(def measured (spawn (fn [] " + std::string(operation.first) + " (receive :go " + operation.operation +
          ") (lona.time/sleep 9000000)) %{:min-heap-size 4000000}))");
    value(
        "(do (lona.time/sleep 1000) (send measured :pay) (lona.time/sleep 1000))");  // it waits for :go, and owes nothing
    lonala::Vm& vm = machine_.vm;
    const lonala::Term pid = machine_.run("measured", early_).value;
    const lonala::Term go = machine_.run(":go", early_).value;
    const u64 reductions = waiting(pid).reductions;
    const u64 collections = vm.root->collections;
    const auto work = [&] {
      lonala::message_send(vm, waiting(pid), go);
      lonala::run(vm, ~u64{0} >> 8);
    };
    Cost cost{static_cast<double>(size_), 0, 0};
    if (stepwise) {
      cost.instructions = instructions(work);
      CHECK(vm.root->collections == collections);  // else it was not the operation alone
    } else {
      work();
    }
    cost.reductions = waiting(pid).reductions - reductions;
    value("(do (map (fn [p] (exit p :kill)) (remove (fn [p] (= p (self))) (processes))) (def data nil))");
    return cost;
  }

 private:
  void value(const std::string& forms) {
    const lonala::Evaluation result = machine_.run(forms, early_);
    CAPTURE(forms, machine_.text(result.value));
    REQUIRE(early_ == "");
    REQUIRE(result.ok);
  }
  lonala::Process& waiting(lonala::Term pid) {
    lonala::Process* process = lonala::process_of(machine_.vm, pid);
    if (process == nullptr || process->status != lonala::Status::Waiting) FAIL("the measured process does not wait");
    return *process;
  }

  Machine machine_;
  std::string early_;
  u64 size_;
};

/// How often the work of the size before may be done at the next, a third of which is leeway.
double allowed(Growth growth, double before, double size) {
  const double steps = std::log(size) / std::log(before);
  switch (growth) {
    case Growth::Constant: return 1.1;
    case Growth::Logarithmic: return 1.5 * steps;
    case Growth::Linear: return 1.33 * size / before;
    case Growth::SortLike: return 1.33 * size / before * steps;
  }
  return 0;
}

}  // namespace

TEST_CASE("no operation grows faster than the language says", "[vm][lonala][growth]") {
  std::vector<std::vector<Cost>> costs(std::size(kOperations));
  for (const u64 size : {100, 1'000, 10'000, 100'000}) {
    if (size > 10'000 && kRoundsDivisor > 1) continue;
    Growing machine(size);
    const bool counted = kCounts && (size == 100 || size == 10'000);  // a trap may cost 16 µs
    for (u64 i = 0; i < std::size(kOperations); ++i) {
      CAPTURE(kOperations[i].name, size);
      costs[i].push_back(machine.measure(kOperations[i], counted && kOperations[i].growth < Growth::Linear));
    }
  }
  for (u64 i = 0; i < std::size(kOperations); ++i) {
    const Operation& operation = kOperations[i];
    CAPTURE(operation.name, operation.operation);
    const Cost* counted = nullptr;
    for (u64 j = 0; j < costs[i].size(); ++j) {
      const Cost& now = costs[i][j];
      CAPTURE(now.size);
      if (j > 0) {
        const Cost& before = costs[i][j - 1];
        const double most = static_cast<double>(before.reductions) * allowed(operation.growth, before.size, now.size);
        CHECK(static_cast<double>(now.reductions) <= most + 1);
      }
      if (now.instructions == 0) continue;
      if (counted != nullptr) {
        const double most =
            static_cast<double>(counted->instructions) * allowed(operation.growth, counted->size, now.size);
        CHECK(static_cast<double>(now.instructions) <= most);
      }
      counted = &now;
    }
  }
}
