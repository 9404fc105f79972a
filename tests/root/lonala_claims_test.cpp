// tests/root/lonala_claims_test.cpp — what Lonala programs claim (orrery.check) reaches whoever judges the run if the process has the
// authority to report, and nobody otherwise.
#include <catch2/catch.hpp>

#include <string>

#include "sim/host/judge/judge.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

const char* const kScript = R"(mkdir -p /etc/service
cat > /tmp/shop.lona <<'END'
(ns shop (:refer orrery.check))
(defn sell [n] (always :shop/positive (> n 0) n) (watermark :shop/most n) (sometimes :shop/bulk (> n 9)) n)
(defn never-called [] (never :shop/thief))
(defn wait-for [k] (hot :shop/waiting k) (cold :shop/waiting k))
(defn main [_]
  (map sell [1 5 12 3 -4])
  (map (fn [id] (at-most-once :shop/order id)) [:a "b" 3 :a])
  (wait-for :c)
  (eventually :shop/closed true)
  (lona.os/spit "/tmp/done" (str [(sell 7) (never :shop/oops)])))
END
printf 'program lonala\nargs /tmp/shop.lona\nsrv shop\nrestart never\n' > /etc/service/shop
echo reload > /proc/supervisor/ctl
lonala -e '(orrery.check/never :shell/never)' '(orrery.check/always :shell/always false 7)'
sleep 5
cat /tmp/done
exit 3
)";

const sim::host::Hit* found(const std::vector<sim::host::Hit>& hits, const std::string& name) {
  for (const sim::host::Hit& hit : hits) {
    if (hit.name == name) return &hit;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("what a Lonala service claims is judged; without the authority to report nothing is told",
          "[user][lonala][judge][simulation.T51]") {
  sim::host::Machine machine({.seed = 1,
                              .cores = 1,
                              .ram_bytes = u64{128} << 20,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = kScript,
                              .entries = user::native_entries()});
  std::string output;
  machine.on_output = [&](u32, base::Bytes bytes) { output += base::text_of(bytes); };
  std::vector<std::string> failures;
  machine.on_check = [&](const sim::CheckRecord& record) {
    if (record.says == base::CheckSays::Failed && !record.declares) {
      failures.push_back(std::string(record.name) + " " + std::to_string(static_cast<i64>(record.value)));
    }
  };
  sim::host::judge::Judge judge;
  judge.attach(machine);
  REQUIRE(machine.start() == "");
  machine.world().run(u64{60} * 1'000'000'000);
  CAPTURE(output);
  CHECK(machine.world().status() == 3);
  CHECK(output == "false\n[7 nil]");
  CHECK(failures == std::vector<std::string>{"shop.positive -4", "shop.oops 0"});
  const auto hits = judge.hits();
  for (const char* const name : {"shop.positive", "shop.most", "shop.bulk", "shop.thief", "shop.waiting", "shop.order",
                                 "shop.closed", "shop.oops"}) {
    CAPTURE(name);
    CHECK(found(hits, name) != nullptr);
  }
  REQUIRE(found(hits, "shop.thief") != nullptr);
  CHECK(found(hits, "shop.thief")->count == 0);
  CHECK(found(hits, "shop.bulk")->count == 1);
  CHECK(found(hits, "shop.most")->low == -4);
  CHECK(found(hits, "shop.most")->high == 12);
  CHECK(found(hits, "shop.order")->count == 4);
  CHECK(found(hits, "shell.never") == nullptr);
  CHECK(found(hits, "shell.always") == nullptr);
  REQUIRE(judge.finding());
  CHECK(judge.finding()->property == "shop.positive");
}
