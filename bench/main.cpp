// bench/main.cpp — `orrery_bench`: measures, prints a table, writes JSON when asked.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string_view>

#include <nlohmann/json.hpp>

#include "bench/bench.h"

namespace {

using bench::Better;
using bench::Row;

constexpr const char* kUsage =
    "usage: orrery_bench [--quick] [--only GROUP] [--json FILE] [--bars]\n"
    "  --quick       one small round of each: shows that all of it runs\n"
    "  --only GROUP  groups whose name begins so: ipc sched process revoke scale world shell campaign record points\n"
    "  --json FILE   the figures with all samples, '-' for standard output instead of the table\n"
    "  --bars        exit status 9 when a figure misses its bar\n";

std::string bar_text(double bar, Better better) {
  if (std::isnan(bar)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%s%.4g", better == Better::Lower ? "≤ " : "≥ ", bar);
  return text;
}

// Columns are counted in characters; the units and signs here are UTF-8.
std::string padded(const std::string& text, std::size_t columns) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return width < columns ? text + std::string(columns - width, ' ') : text;
}

void print_table(const std::vector<Row>& rows) {
  std::printf("%-8s %-44s %12s %-4s %-9s %-36s %12s %8s %s\n", "group", "figure", "median", "", "bar", "peer",
              "its median", "ratio", "bar");
  for (const Row& row : rows) {
    char ratio[64] = "";
    char peer[64] = "";
    if (!row.peer.empty()) {
      std::snprintf(peer, sizeof peer, "%12.1f", row.peer_value);
      std::snprintf(ratio, sizeof ratio, "%8.3g", row.ratio);
    }
    std::printf("%-8s %s %12.1f %s %s %s %12s %8s %s%s\n", row.group.c_str(), padded(row.name, 44).c_str(), row.value,
                padded(row.unit, 4).c_str(), padded(bar_text(row.bar, row.better), 9).c_str(),
                padded(row.peer, 36).c_str(), peer, ratio, bar_text(row.ratio_bar, row.better).c_str(),
                row.holds() ? "" : "  MISSED");
  }
}

nlohmann::json bar_json(double bar) { return std::isnan(bar) ? nlohmann::json(nullptr) : nlohmann::json(bar); }

nlohmann::json to_json(const std::vector<Row>& rows, const bench::Options& options) {
  nlohmann::json figures = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json figure{{"group", row.group},       {"name", row.name},
                          {"unit", row.unit},         {"better", row.better == Better::Lower ? "lower" : "higher"},
                          {"median", row.value},      {"samples", row.samples},
                          {"bar", bar_json(row.bar)}, {"holds", row.holds()}};
    if (!row.peer.empty()) {
      figure["peer"] = {{"name", row.peer}, {"median", row.peer_value}, {"samples", row.peer_samples}};
      figure["ratio"] = row.ratio;
      figure["ratio_bar"] = bar_json(row.ratio_bar);
    }
    figures.push_back(figure);
  }
  return {{"quick", options.quick}, {"figures", figures}};
}

int usage(const char* why) {
  std::fprintf(stderr, "orrery_bench: %s\n%s", why, kUsage);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Options options;
  std::string json_path;
  bool bars = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick") {
      options.quick = true;
    } else if (argument == "--bars") {
      bars = true;
    } else if (argument == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    } else if (argument == "--only" && i + 1 < argc) {
      options.only = argv[++i];
    } else if (argument == "--json" && i + 1 < argc) {
      json_path = argv[++i];
    } else {
      return usage((std::string("unknown or incomplete argument ") + argv[i]).c_str());
    }
  }

  bench::Session session(options);
  bench::ipc_group(session);
  bench::sched_group(session);
  bench::process_group(session);
  bench::revoke_group(session);
  bench::scale_group(session);
  bench::world_group(session);
  bench::shell_group(session);
  bench::campaign_group(session);
  bench::record_group(session);
  bench::points_group(session);
  if (session.rows().empty()) return usage("nothing measured: no group begins so, or it was left out");

  const nlohmann::json json = to_json(session.rows(), options);
  if (json_path == "-") {
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    print_table(session.rows());
    if (!json_path.empty()) {
      std::ofstream file(json_path);
      file << json.dump(2) << '\n';
      if (!file.flush()) return usage(("cannot write " + json_path).c_str());
    }
  }
  if (!bars) return 0;
  for (const Row& row : session.rows()) {
    if (!row.holds()) return 9;
  }
  return 0;
}
