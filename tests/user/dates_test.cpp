// Dates as text, there and back.
#include "user/lib/dates.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <string>

#include "base/prng.h"
#include "tests/user/test_heap.h"

using namespace user;

namespace {

TestHeap heap;

std::string shown(std::string_view format, i64 seconds, const TimeZone& zone = {}) {
  base::String out(heap);
  append_date(out, format, seconds, zone);
  return std::string(out.view());
}

}  // namespace

TEST_CASE("a moment is shown in each of date's forms", "[user][date]") {
  CHECK(shown("%a %b %e %H:%M:%S %Z %Y", 1771770605) == "Sun Feb 22 14:30:05 UTC 2026");
  CHECK(shown("%a, %d %b %Y %H:%M:%S %z", 1771770605) == "Sun, 22 Feb 2026 14:30:05 +0000");
  CHECK(shown("%Y-%m-%dT%H:%M:%S", 0) == "1970-01-01T00:00:00");
  CHECK(shown("%j %u %w %p %I %% %q %", 0) == "001 4 4 AM 12 % %q %");
}

TEST_CASE("every conversion agrees with the host's strftime", "[user][date][property]") {
  base::Prng prng{7, "test.dates"};
  for (u32 round = 0; round < 2000; ++round) {
    const std::time_t moment = static_cast<std::time_t>(prng.below(u64{1} << 32));
    std::tm parts{};
    gmtime_r(&moment, &parts);
    const char* const format = "%a %A %b %B %C %d %D %e %F %H %I %j %m %M %p %r %R %S %T %u %w %y %Y";
    char expected[256];
    std::strftime(expected, sizeof expected, format, &parts);
    CAPTURE(moment);
    REQUIRE(shown(format, moment) == expected);
    i64 back = 0;
    REQUIRE(parse_moment(shown("%F %T", moment), {}, back));
    REQUIRE(back == moment);
  }
}

TEST_CASE("a zone shifts what is shown and what is read", "[user][date]") {
  const TimeZone berlin = parse_zone("CET-1");
  CHECK(shown("%H:%M %Z %z", 0, berlin) == "01:00 CET +0100");
  const TimeZone india = parse_zone("IST-5:30");
  CHECK(shown("%H:%M %z", 0, india) == "05:30 +0530");
  CHECK(shown("%H %Z %z", 0, parse_zone("EST5")) == "19 EST -0500");
  CHECK(parse_zone("5").text() == "UTC");
  CHECK(parse_zone("ABC+99").text() == "UTC");
  i64 seconds = 1;
  CHECK(parse_moment("1970-01-01 01:00", berlin, seconds));
  CHECK(seconds == 0);
}

TEST_CASE("what is no moment is refused", "[user][date]") {
  i64 seconds = 0;
  for (const char* text : {"", "2026", "2026-13-01", "2026-02-30", "2026-02-22 24:00", "2026-02-22 1:00", "2026-02-22x",
                           "2026-02-22 10:00:00x", "@", "@99999999999999", "-"}) {
    CAPTURE(text);
    if (std::string_view(text) == "2026") {
      CHECK(parse_moment(text, {}, seconds));  // digits alone are seconds
    } else {
      CHECK_FALSE(parse_moment(text, {}, seconds));
    }
  }
}
