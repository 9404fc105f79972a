// sim/host/campaign/results.cpp — see results.h.
#include "sim/host/campaign/results.h"

#include "replay/ids.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/machine_host.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kRunsPerTransaction = 64;
constexpr u64 kTransactionUs = 1'000'000;
constexpr u64 kIdDigits = 16;

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS campaign(id TEXT PRIMARY KEY, model TEXT, plan TEXT, scenario TEXT, options TEXT, build TEXT);
CREATE TABLE IF NOT EXISTS run(campaign TEXT, seed INTEGER, overrides TEXT DEFAULT '', arm TEXT, verdict TEXT NOT NULL,
  root TEXT NOT NULL, events INTEGER, virtual_ns INTEGER, wall_us INTEGER, strategy TEXT, drawn TEXT, cluster TEXT,
  PRIMARY KEY(campaign, seed, overrides)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cluster(id TEXT PRIMARY KEY, property TEXT, kind TEXT, role TEXT, signature TEXT,
  first_seed INTEGER, minimal TEXT, state TEXT);
CREATE TABLE IF NOT EXISTS hit(campaign TEXT, name TEXT, seed INTEGER, overrides TEXT DEFAULT '', count INTEGER,
  low INTEGER, high INTEGER, PRIMARY KEY(campaign, name, seed, overrides)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feature(campaign TEXT, shard TEXT, feature INTEGER, first_seed INTEGER, runs INTEGER,
  PRIMARY KEY(campaign, shard, feature)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fault(campaign TEXT, seed INTEGER, overrides TEXT DEFAULT '', class TEXT, target TEXT,
  fired INTEGER, withheld INTEGER, lessened INTEGER,
  PRIMARY KEY(campaign, class, target, seed, overrides)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mutant(model TEXT, id INTEGER, file TEXT, line INTEGER, operator TEXT, killed_by TEXT,
  runs INTEGER, PRIMARY KEY(model, id));
CREATE VIEW IF NOT EXISTS coverage AS SELECT name, sum(count) hits, count(DISTINCT seed) seeds, min(seed) first_seed
  FROM hit GROUP BY name ORDER BY hits;
)sql";

constexpr std::string_view kTainted = "tainted ";

/// A tainted run promises no digest, and one that was ended from outside has none: merging does not compare these.
std::string root_text(const RunReport& report) {
  return (report.tainted ? std::string(kTainted) : std::string()) + text_of(report.root);
}

std::string short_hash(const std::string& text) {
  return replay::hex(replay::sha256_of(base::bytes_of(text))).substr(0, kIdDigits);
}

}  // namespace

std::string CampaignKey::id() const { return short_hash(model + "\n" + plan + "\n" + options); }

std::string cluster_id(const Finding& finding) {
  return short_hash(finding.property + "\n" + finding.kind + "\n" + finding.role + "\n" + finding.signature);
}

bool is_failure(Verdict verdict) {
  switch (verdict) {
    case Verdict::Held:
    case Verdict::Excused:
    case Verdict::Limit: return false;
    case Verdict::Failed:
    case Verdict::LivenessFailed:
    case Verdict::Broken:
    case Verdict::Silent:
    case Verdict::Stalled: return true;
  }
  return true;
}

struct Results::Statements {
  explicit Statements(Database& database)
      : run(database, "INSERT OR REPLACE INTO run VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"),
        cluster(database,
                "INSERT INTO cluster VALUES(?,?,?,?,?,?,NULL,'found') "
                "ON CONFLICT(id) DO UPDATE SET first_seed = min(first_seed, excluded.first_seed)"),
        hit(database, "INSERT OR REPLACE INTO hit VALUES(?,?,?,?,?,?,?)"),
        forget(database, "DELETE FROM hit WHERE campaign = ? AND name = ? AND count = 0"),
        fault(database, "INSERT OR REPLACE INTO fault VALUES(?,?,?,?,?,?,?,?)"),
        feature(database, "INSERT OR REPLACE INTO feature VALUES(?,?,?,?,?)") {}
  Statement run;
  Statement cluster;
  Statement hit;
  Statement forget;
  Statement fault;
  Statement feature;
};

Results::Results(const std::string& path) : database_(path, Database::Open::OrNew) {
  // A transaction that a kill cut is rolled back by the next reader; the host's own crash may lose the last second.
  database_.execute("PRAGMA synchronous = NORMAL");
  database_.execute(kSchema);
  statements_ = std::make_unique<Statements>(database_);
}

Results::~Results() {
  try {
    commit();
  } catch (const DatabaseError&) {
    // The caller has seen the first error; what is not committed is run again.
  }
}

std::string Results::begin(const CampaignKey& key) {
  Statement other(database_, "SELECT model FROM campaign WHERE model <> ?");
  other.bind(key.model);
  if (other.step()) {
    return database_.path() + ": it holds results of another model\n  there  " + other.text(0) + "\n  here   " +
           key.model;
  }
  campaign_ = key.id();
  Statement(database_, "INSERT OR IGNORE INTO campaign VALUES(?,?,?,?,?,?)")
      .bind_all(campaign_, key.model, key.plan, key.scenario, key.options, key.build)
      .run();
  done_.clear();
  never_hit_.clear();
  hit_.clear();
  Statement seeds(database_, "SELECT seed FROM run WHERE campaign = ? AND overrides = ''");
  seeds.bind(campaign_);
  while (seeds.step()) done_.insert(seeds.number(0));
  Statement names(database_, "SELECT name, sum(count), min(seed) FROM hit WHERE campaign = ? GROUP BY name");
  names.bind(campaign_);
  while (names.step()) {
    if (names.number(1) == 0) {
      never_hit_[names.text(0)] = names.number(2);
    } else {
      hit_.insert(names.text(0));
    }
  }
  return {};
}

void Results::begin_transaction() {
  if (is_open_) return;
  database_.execute("BEGIN IMMEDIATE");
  is_open_ = true;
  open_runs_ = 0;
  open_since_us_ = now_us();
}

void Results::add_hits(const Done& done) {
  const u64 seed = done.job.setup.seed;
  for (const Hit& hit : done.report.hits) {
    const std::string name = hit.form + " " + hit.name;
    if (hit.count == 0) {
      if (hit_.contains(name)) continue;
      const auto [known, is_new] = never_hit_.try_emplace(name, seed);
      if (!is_new && known->second <= seed) continue;
      statements_->forget.bind_all(campaign_, name).run();
      known->second = seed;
    } else if (hit_.insert(name).second && never_hit_.erase(name) > 0) {
      statements_->forget.bind_all(campaign_, name).run();
    }
    statements_->hit.bind_all(campaign_, name, seed, done.job.setup.overrides, hit.count);
    statements_->hit.bind_signed(hit.low).bind_signed(hit.high).run();
  }
}

void Results::add(const Done& done, std::string_view arm) {
  begin_transaction();
  const RunSetup& setup = done.job.setup;
  const RunReport& report = done.report;
  std::string cluster;
  const bool is_canary = arm == kCanaryHolds || arm == kCanaryFails;
  if (is_failure(report.verdict) && report.finding && !is_canary) {
    cluster = cluster_id(*report.finding);
    const Finding& finding = *report.finding;
    statements_->cluster.bind_all(cluster, finding.property, finding.kind, finding.role, finding.signature, setup.seed)
        .run();
  }
  statements_->run.bind_all(campaign_, setup.seed, setup.overrides, arm, name_of(report.verdict), root_text(report),
                            report.events, report.virtual_ns, done.wall_us,
                            report.strategy.empty() ? setup.sched : report.strategy, report.drawn);
  if (cluster.empty()) {
    statements_->run.bind_null();
  } else {
    statements_->run.bind(cluster);
  }
  statements_->run.run();
  add_hits(done);
  for (const FaultTally& fault : report.faults) {
    statements_->fault
        .bind_all(campaign_, setup.seed, setup.overrides, fault.fault_class, fault.target, fault.fired, fault.withheld,
                  fault.lessened)
        .run();
  }
  open_runs_ += 1;
  if (open_runs_ >= kRunsPerTransaction) commit();
}

std::vector<std::pair<std::string, Results::Failing>> Results::not_minimised() {
  std::vector<std::pair<std::string, Failing>> list;
  Statement clusters(
      database_,
      "SELECT cluster.id, min(seed) FROM run JOIN cluster ON run.cluster = cluster.id WHERE campaign = ? "
      "AND minimal IS NULL GROUP BY cluster.id ORDER BY count(*) DESC, cluster.id");
  clusters.bind(campaign_);
  Statement first(
      database_,
      "SELECT seed, overrides FROM run WHERE campaign = ? AND cluster = ? ORDER BY overrides <> '', seed LIMIT 1");
  while (clusters.step()) {
    first.bind_all(campaign_, clusters.text(0));
    if (first.step()) list.push_back({clusters.text(0), {first.number(0), first.text(1)}});
    first.reset();
  }
  return list;
}

std::string Results::split(const std::string& cluster, const Failing& failing,
                           const std::vector<std::string>& classes) {
  if (classes.empty()) return cluster;
  std::string names;
  for (const std::string& name : classes) names += " " + name;
  const std::string id = short_hash(cluster + "\nfaults" + names);
  begin_transaction();
  Statement(database_,
            "INSERT OR IGNORE INTO cluster SELECT ?2, property, kind, role, signature || ' | faults' || ?3, ?4, NULL, "
            "'found' FROM cluster WHERE id = ?1")
      .bind_all(cluster, id, names, failing.seed)
      .run();
  Statement struck(database_,
                   "SELECT count(DISTINCT class) FROM fault WHERE campaign = ?1 AND seed = ?2 AND overrides = ?3 AND "
                   "fired + lessened > 0 AND instr(?4 || ' ', ' ' || class || ' ') > 0");
  Statement runs(database_, "SELECT seed, overrides FROM run WHERE campaign = ?1 AND cluster = ?2");
  runs.bind_all(campaign_, cluster);
  std::vector<Failing> moved = {failing};
  while (runs.step()) {
    struck.bind_all(campaign_, runs.number(0), runs.text(1), names);
    if (struck.step() && struck.number(0) == classes.size()) moved.push_back({runs.number(0), runs.text(1)});
    struck.reset();
  }
  Statement move(database_, "UPDATE run SET cluster = ? WHERE campaign = ? AND seed = ? AND overrides = ?");
  for (const Failing& run : moved) move.bind_all(id, campaign_, run.seed, run.overrides).run();
  for (const std::string& changed : {cluster, id}) {
    Statement(database_,
              "UPDATE cluster SET first_seed = coalesce((SELECT min(seed) FROM run WHERE cluster = ?1), first_seed) "
              "WHERE id = ?1")
        .bind_all(changed)
        .run();
  }
  Statement(database_, "DELETE FROM cluster WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM run WHERE cluster = ?1)")
      .bind_all(cluster)
      .run();
  return id;
}

void Results::set_minimal(const std::string& cluster, const std::string& overrides, std::string_view state) {
  Statement(database_, "UPDATE cluster SET minimal = ?, state = ? WHERE id = ? AND minimal IS NULL")
      .bind_all(overrides, state, cluster)
      .run();
}

void Results::set_feature(const std::string& shard, u32 feature, u64 first_seed, u64 runs) {
  begin_transaction();
  statements_->feature.bind_all(campaign_, shard, u64{feature}, first_seed, runs).run();
}

void Results::each_feature(const std::function<void(u32 feature, u64 first_seed, u64 runs)>& see) {
  Statement features(database_,
                     "SELECT feature, min(first_seed), sum(runs) FROM feature WHERE campaign = ? GROUP BY feature");
  features.bind(campaign_);
  while (features.step()) see(static_cast<u32>(features.number(0)), features.number(1), features.number(2));
}

void Results::tick() {
  if (is_open_ && now_us() - open_since_us_ >= kTransactionUs) commit();
}

void Results::commit() {
  if (!is_open_) return;
  database_.execute("COMMIT");
  is_open_ = false;
}

// ── Merging ──────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

constexpr const char* kCopyRows = R"sql(
INSERT OR IGNORE INTO main.campaign SELECT * FROM more.campaign;
INSERT INTO main.cluster SELECT * FROM more.cluster WHERE true ON CONFLICT(id) DO UPDATE SET
  first_seed = min(first_seed, excluded.first_seed),
  state = CASE WHEN minimal IS NULL THEN excluded.state ELSE state END,
  minimal = coalesce(minimal, excluded.minimal);
INSERT OR IGNORE INTO main.hit SELECT * FROM more.hit;
DELETE FROM main.hit WHERE count = 0 AND EXISTS (SELECT 1 FROM main.hit other WHERE other.campaign = hit.campaign
  AND other.name = hit.name AND (other.count > 0 OR other.seed < hit.seed));
INSERT INTO main.feature SELECT * FROM more.feature WHERE true ON CONFLICT DO UPDATE SET
  first_seed = min(first_seed, excluded.first_seed), runs = max(runs, excluded.runs);
INSERT OR IGNORE INTO main.fault SELECT * FROM more.fault;
INSERT OR IGNORE INTO main.mutant SELECT * FROM more.mutant;
INSERT OR IGNORE INTO main.run SELECT * FROM more.run;
)sql";

/// Without canaries.
u64 count_runs(Database& database) {
  Statement runs(database, "SELECT count(*) FROM main.run WHERE arm NOT LIKE 'canary-%'");
  return runs.step() ? runs.number(0) : 0;
}

/// Undoes what was begun, on every way out.
class Attached {
 public:
  Attached(Database& database, const std::string& path) : database_(database) {
    Statement(database, "ATTACH ? AS more").bind_all(path).run();
    database.execute("BEGIN IMMEDIATE");
  }
  ~Attached() {
    try {
      database_.execute(keep_ ? "COMMIT; DETACH more" : "ROLLBACK; DETACH more");
    } catch (const DatabaseError&) {
      // Nothing was kept then, which the caller is told by the error that came first.
    }
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  void keep() { keep_ = true; }

 private:
  Database& database_;
  bool keep_ = false;
};

}  // namespace

Merged merge(Results& into, const std::string& from) {
  Merged merged;
  Database& database = into.database();
  try {
    const Database exists(from, Database::Open::Existing);
  } catch (const DatabaseError& error) {
    merged.error = error.what();
    return merged;
  }
  Attached attached(database, from);
  Statement tables(database,
                   "SELECT count(*) FROM more.sqlite_schema WHERE type = 'table' AND name IN "
                   "('campaign', 'run', 'cluster', 'hit', 'feature', 'fault', 'mutant')");
  if (!tables.step() || tables.number(0) != 7) {
    merged.error = from + ": it holds no results of a campaign";
    return merged;
  }
  tables.reset();
  Statement models(database, "SELECT DISTINCT model FROM main.campaign UNION SELECT model FROM more.campaign");
  std::string first;
  while (models.step()) {
    if (!first.empty()) {
      merged.error = from + ": it is of another model\n  " + first + "\n  " + models.text(0);
      models.reset();
      return merged;
    }
    first = models.text(0);
  }
  models.reset();
  Statement split(database,
                  "SELECT main.run.seed, main.run.overrides, main.run.root, more.run.root FROM main.run JOIN more.run "
                  "USING(campaign, seed, overrides) WHERE main.run.root <> more.run.root AND main.run.root NOT LIKE "
                  "'tainted %' AND main.run.root <> ?1 AND more.run.root <> ?1 LIMIT 1");
  split.bind(text_of(base::Digest{}));
  if (split.step()) {
    merged.split = from + ": seed " + std::to_string(split.number(0)) + " has two roots: " + split.text(2) + " and " +
                   split.text(3);
    split.reset();
    return merged;
  }
  split.reset();
  const u64 before = count_runs(database);
  database.execute(kCopyRows);
  merged.runs = count_runs(database) - before;
  attached.keep();
  return merged;
}

}  // namespace sim::host::campaign
