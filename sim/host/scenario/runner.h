// sim/host/scenario/runner.h — one run of a scenario: its program in Lua, its world, its judge, and what goes between them.
//
//     0 ── warmup ──┬── lasts ──────────────┬── liveness ──────────┬ end
//     boot, `ready` │ safety: faults, s:at  │ faults have ended:   │ s:finally
//                   │ s:every, s:when       │ `eventually` looks   │
//
// Lua is entered from three places: an action of the plan (s:at, s:every, s:when and what waits in them), a client whose
// process asks for an order, and a judge. The first two are part of the run; judges only look.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "sim/host/case.h"
#include "sim/host/filter.h"
#include "sim/host/judge/checker.h"
#include "sim/host/judge/judge.h"
#include "sim/host/machine_host.h"
#include "sim/host/scenario/case.h"
#include "sim/host/scenario/golden.h"
#include "sim/host/scenario/program.h"
#include "sim/host/watch.h"

namespace sim::host::scenario {

/// What a case gives to each of its runs.
struct RunInput {
  Sources& sources;
  std::span<const machine::NativeEntry> entries;
  const std::string& image;
  const std::vector<std::string>& images;  // of each node
  const RunObserver& observer;
  const replay::Sha256& plan_id;
  replay::Digests digests;
  bool blesses = false;  // golden files are written
};

constexpr u64 kLookNs = 10'000'000;     // how often judges without a pattern look
constexpr u64 kConsoleKept = 64 << 10;  // bytes of output that callbacks see
constexpr u64 kNotesMax = 1000;

class Runner final : public Stage {
 public:
  /// With `boot_seed` the run begins as all of that seed do, and becomes the one of `setup` at the end of its warm-up.
  Runner(const RunInput& input, const RunSetup& setup, std::optional<u64> boot_seed);

  RunReport run() {
    begin();
    return go_on();
  }
  /// What runs with one boot seed share: up to the end of the warm-up.
  void begin();
  /// The rest, in another process than `begin` was, and as another run with the same boot seed.
  RunReport go_on_as(const RunSetup& setup);
  const std::vector<std::string>& notes() const { return notes_; }

  /// Empty while the world is being made: the first events come from there, and no thread is in them.
  std::string_view name_of_thread(u32 node, u32 id) {
    return machine_->started() ? thread_name(machine_->world(), node, id) : std::string_view{};
  }
  /// An event as the file's functions see it.
  void push_event(lua_State* state, const base::Event& event) override;

  // ── Stage ──────────────────────────────────────────────────────────────────────────────────────────────────
  u64 now_ns() override { return machine_ && machine_->started() ? machine_->world().now() : 0; }
  std::string_view phase_name() override { return phase_name_; }
  u64 seed() override { return setup_.seed; }
  u64 events() override { return machine_->world().trace().count(); }
  u64 count(std::string_view property) override;
  bool is_up(u32 node) override;
  std::vector<std::string> threads(u32 node) override;
  i64 clock_error_ns(u32 node) override;
  u64 starts(u32 node, const std::string& name) override;
  std::vector<std::string> services(u32 node) override;
  bool link_is_up(u32 link) override;
  LinkState link_state(u32 link) override;
  DiskState disk_state(u32 disk) override;
  std::string last_event(const std::string& filter, std::optional<base::Event>& out) override;
  std::string console_text(u32 node) override { return consoles_[node].text; }
  std::string crash(u32 node) override;
  std::string boot(u32 node) override;
  std::string pause(u32 node, u64 ns) override;
  std::string steal(u32 node, u32 core, u64 ns) override;
  std::string kill(u32 node, const std::string& name) override;
  std::string step_clock(u32 node, i64 ns) override;
  std::string drift(u32 node, i64 ppm) override;
  std::string set_link(u32 link, bool up) override;
  std::string set_latency(u32 link, u64 ns) override;
  std::string set_plugged(u32 disk, bool plugged) override;
  std::string slow_disk(u32 disk, std::optional<u64> latency_ns, std::optional<u64> bits_per_second) override;
  std::string partition(const std::vector<std::vector<u32>>& groups) override;
  std::string heal() override;
  std::string quiet(bool on) override;
  std::string inject(const std::string& fault, const std::string& target,
                     const std::vector<std::pair<std::string, std::string>>& knobs) override;
  std::string type(u32 node, std::string_view text) override;
  std::string end_input(u32 node) override;
  void note(std::string_view text) override;
  bool client_running(u32) override { return phase_name_ != "end"; }
  base::Prng& client_random(u32 client) override { return clients_[client].random; }
  u64 next_unique(u32 client) override { return ++clients_[client].unique; }
  void order(u32 client, std::string bytes) override;
  void synced(u32 client) override { clients_[client].synced = true; }
  std::string_view result(u32 client) override { return clients_[client].result; }
  void expect(u32 node, const std::string& text, u64 within_ns) override;
  std::string_view expected() override { return expected_; }
  u64 begin_operation(u32 history, u32 client, const std::string& name, const std::string& key,
                      const std::vector<std::string>& arguments) override;
  void end_operation(u32 history, u32 client, u64 operation, std::string_view ending,
                     const std::string* result) override;
  u64 count_operations(u32 history, std::string_view client, std::string_view ending, bool in_liveness) override;
  void check_history(u32 history, const HistoryCheck& check) override;

 private:
  struct Client {
    explicit Client(base::Prng stream) : random(stream) {}
    base::Prng random;
    u64 unique = 0;
    int thread = kNoFunction;  // of Lua, kept; none: not started
    std::string order;
    std::string result;
    bool started = false;  // it has asked at least once
    bool synced = false;   // since its operation began, and nothing was changed after that
  };
  struct Console {
    std::string text;  // the last of what came
    u64 dropped = 0;   // bytes before it
    u64 read_to = 0;   // how far `expect` has read, from the first byte
  };
  /// A callback of the plan that goes on later: for the first time, or after a wait.
  struct Pending {
    u32 trigger = ~u32{0};  // starts this one
    int thread = kNoFunction;
    u64 wait = 0;  // goes on with this wait, if it still is
    std::optional<base::Event> event;
  };
  struct Wait {
    u32 node = ~u32{0};  // ~0: for the time alone
    std::string text;
    u64 deadline = 0;
    int thread = kNoFunction;
  };
  struct When {
    u32 trigger = 0;
    Filter filter;
    u64 left = 0;
  };

  // run.cpp
  RunReport go_on();
  std::string rekey();
  std::string read_whole(Schedule& whole);
  void listen_to_choices();
  MachineOptions draw();
  DiskShape draw_disk(const DiskPlan& disk);
  std::string add_faults(Schedule& schedule);
  void declare_properties();
  void add_property(const PropertyPlan& property);
  FilterNames filter_names();
  Filter filter_of(const std::string& text, const Where& where);
  void begin_goldens();
  void attach();
  void begin_triggers();
  bool go(u64 until);
  bool is_over() const { return is_stopped_ || judge_.finding().has_value(); }
  void look_ready();
  bool all_eventual_held() const;
  void judge_end();
  void judge_goldens();
  bool read_golden(const std::string& file, std::string& text) const;
  RunReport report_of();
  std::string start_recording();
  void end_recording(const RunReport& report);
  void add_drawn(const std::string& name, const std::string& value);
  u64 draw(const std::string& key, const Quantity& quantity);
  // callbacks.cpp
  void act(u64 id);
  void start_callback(u32 trigger, const std::optional<base::Event>& event);
  void resume_callback(int thread, int arguments);
  u64 schedule(u64 time, Pending pending);
  void see(const base::Event& event);
  void take_output(u32 node, base::Bytes bytes);
  bool find_expected(Wait& wait);
  u64 ask(const PuppetCall& call, base::MutableBytes room);
  bool start_client(u32 client);
  std::optional<bool> look(int function, std::string& details);
  std::optional<i64> measure(int function);
  void script_failed(const std::string& text);

  RunInput input_;
  RunSetup asked_;
  RunSetup setup_;  // the same, but for the seed: the one in force
  bool is_shared_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<Machine> machine_;
  judge::Judge judge_;
  Watch watch_;
  replay::Recorder recorder_;
  std::string_view phase_name_ = "warmup";
  std::string drawn_;
  std::string refused_;  // why no run can be made
  std::vector<Client> clients_;
  std::vector<Console> consoles_;
  std::map<u64, Pending> pending_;
  std::map<u64, Wait> waits_;
  std::vector<When> whens_;
  std::vector<std::unique_ptr<judge::History>> histories_;
  std::vector<Golden> goldens_;                                           // those that this run is held against
  std::map<std::pair<u32, std::string>, std::vector<u32>> seen_threads_;  // ids, by node and name
  std::vector<const std::string*> eventual_;
  std::set<std::string> held_;
  std::vector<std::string> notes_;
  std::string expected_;
  std::string console_;
  std::map<std::pair<std::string, std::string>, FaultTally> tallies_;
  std::vector<FiredFault> fired_;
  std::vector<Excuse> excuses_;
  std::vector<ForcedChoice> choices_;
  std::set<std::string> unused_;
  u64 next_id_ = 1;
  u64 safety_ns_ = 0;
  u64 safety_end_ns_ = 0;
  u64 waiting_id_ = 0;  // of the wait that the callback in progress has made
  Outcome outcome_ = Outcome::Running;
  std::optional<RunReport> refusal_;
  bool goes_on_ = true;
  bool is_ready_ = false;
  bool is_stopped_ = false;
  bool limit_ = false;
};

}  // namespace sim::host::scenario
