// sim/host/scenario/case.h — a scenario file as a case: read once, run once per seed.
#pragma once
#include "replay/recorder.h"
#include "sim/host/case.h"
#include "sim/host/machine_host.h"
#include "sim/host/scenario/program.h"

namespace sim::host::scenario {

/// With `shared_boot` a run has one of so many shapes.
constexpr u64 kShapes = 8;

class Runner;

/// Told of a run by whoever makes it; changes nothing.
struct RunObserver {
  std::function<void(Machine& machine)> starting;  // to listen to it
  std::function<void()> finishing;                 // its last epoch is closed next
  std::function<void(Machine& machine, const RunReport& report)> finished;
  std::function<void(const Call& call)> called;  // each function of the API that the file calls
};

class ScenarioCase final : public Case {
 public:
  /// Reads the file and what it uses. Nothing may be run while there are mistakes.
  ScenarioCase(const std::string& path, std::span<const machine::NativeEntry> entries, const std::string& image);
  /// Of texts that were read before; `path` is what reproduction lines call the file.
  ScenarioCase(Sources sources, const std::string& path, std::span<const machine::NativeEntry> entries,
               const std::string& image);
  ~ScenarioCase() override;
  /// Not while something is booted.
  ScenarioCase(ScenarioCase&& other) noexcept;

  /// What is wrong with it, as lines for a person.
  const std::vector<std::string>& mistakes() const { return mistakes_; }
  std::string plan_text() const { return plan_text_; }

  /// Who listens to the machine of each run.
  RunObserver observer;
  /// How many digests go into a recording that a run is asked for.
  replay::Digests digests = replay::Digests::Sparse;
  /// Runs write the files of `s:golden` instead of being held against them.
  bool blesses = false;
  bool has_goldens() const { return has_goldens_; }
  /// What `print` and `note` said in the last run.
  const std::vector<std::string>& notes() const { return notes_; }

  std::string name() const override { return name_; }
  std::string plan_id() const override { return replay::hex(plan_id_); }
  const replay::Sha256& plan_hash() const { return plan_id_; }
  std::string reproduction(const RunSetup& setup) const override;
  RunReport run(const RunSetup& setup) override;
  std::string boot_key(const RunSetup& setup) const override;
  void boot(const RunSetup& setup) override;
  void expect(RunReport& report) const override;

 private:
  void read();
  std::optional<u64> boot_seed(const RunSetup& setup) const;

  std::string path_;
  std::span<const machine::NativeEntry> entries_;
  std::string image_;
  Sources sources_;
  std::vector<std::string> mistakes_;
  std::string name_;
  std::string plan_text_;
  replay::Sha256 plan_id_ = {};
  bool shares_boot_ = false;
  std::unique_ptr<Runner> booted_;
  std::string booted_key_;
  std::unique_ptr<Runner>
      spent_;  // of the process's one run behind a shared boot: it ends with the process, not before
  std::vector<std::string> notes_;
  bool has_goldens_ = false;
  std::string excuse_;               // expected; empty: none
  std::vector<std::string> images_;  // of each node: the image with its own files in it
};

/// A verdict as recordings keep it.
replay::Verdict verdict_of(const RunReport& report);

/// What a scenario can call: all of it, or the functions with `name` in their names.
std::string reference(std::string_view name = {});

}  // namespace sim::host::scenario
