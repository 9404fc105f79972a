// user/commands/realm.cpp — realm and quota: child realms through the files of /realm.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kChildren = "/realm/child";

base::String file_of(Process& process, std::string_view name, std::string_view file = {}) {
  base::String path(process.heap(), kChildren);
  path.append("/").append(name);
  if (!file.empty()) path.append("/").append(file);
  return path;
}

bool control(Tool& tool, std::string_view name, std::string_view line) {
  const auto written = tool.process().write_file(file_of(tool.process(), name, "ctl"), line);
  if (!written.ok()) tool.error(name, written.error());
  return written.ok();
}

bool set_limit(Tool& tool, std::string_view name, std::string_view resource, std::string_view value) {
  base::String line(tool.heap(), "set ");
  line.append(resource).append(" ").append(value).push('\n');
  const auto written = tool.process().write_file(file_of(tool.process(), name, "ctl"), line);
  if (written.ok()) return true;
  // The answer names the limit it breaks; here stands the one that was asked for.
  base::String subject(tool.heap(), name);
  subject.append(": ").append(resource).append(" ").append(value);
  tool.error(written.error().code == ErrorCode::QuotaExceeded ? subject.view() : name, written.error());
  return false;
}

i32 list_realms(Tool& tool) {
  const auto entries = tool.process().list(kChildren);
  if (!entries.ok()) tool.error(kChildren, entries.error());
  for (u64 i = 0; entries.ok() && i < entries->size(); ++i) tool.out().format("{}\n", (*entries)[i].name);
  return tool.finish();
}

i32 show_realm(Tool& tool, std::string_view name) {
  for (const std::string_view file :
       {std::string_view("status"), std::string_view("quota"), std::string_view("usage")}) {
    const auto text = tool.process().read_file(file_of(tool.process(), name, file));
    if (!text.ok()) {
      tool.error(name, text.error());
      break;
    }
    tool.out().text(*text);
  }
  return tool.finish();
}

}  // namespace

i32 realm_main(Process& process) {
  Tool tool(
      process,
      "usage: realm {ls | show NAME | make NAME | limit NAME RESOURCE VALUE | run NAME COMMAND… | kill NAME | rm "
      "NAME}\n"
      "  RESOURCE  memory, cpu, processes, threads, files, mounts\n  VALUE  64M, 20ms/100ms, 20%, - for the parent's");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto words = options.operands();
  if (words.empty()) return tool.bad_use("missing operand");
  const std::string_view verb = words[0];
  struct Verb {
    std::string_view name;
    u64 words_min;
    u64 words_max;
  };
  static constexpr Verb kVerbs[] = {{"ls", 1, 1},        {"show", 2, 2}, {"make", 2, 2}, {"limit", 4, 4},
                                    {"run", 3, ~u64{0}}, {"kill", 2, 2}, {"rm", 2, 2}};
  const Verb* known = nullptr;
  for (const Verb& each : kVerbs) {
    if (each.name == verb) known = &each;
  }
  if (known == nullptr) return tool.bad_use("unknown verb: {}", verb);
  if (words.size() < known->words_min) return tool.bad_use("missing operand");
  if (words.size() > known->words_max) return tool.bad_use("extra operand: {}", words[known->words_max]);
  if (verb == "ls") return list_realms(tool);
  const std::string_view name = words[1];
  if (verb == "show") return show_realm(tool, name);
  if (verb == "run") return run_command(tool, {.args = words.subspan(2), .realm = name});
  if (verb == "limit") set_limit(tool, name, words[2], words[3]);
  if (verb == "kill") control(tool, name, "kill\n");
  if (verb == "make") {
    const auto made = process.make_directory(file_of(process, name));
    if (!made.ok()) tool.error(name, made.error());
  }
  if (verb == "rm") {
    const auto removed = process.remove_directory(file_of(process, name));
    if (!removed.ok()) tool.error(name, removed.error());
  }
  return tool.finish();
}

i32 quota_main(Process& process) {
  Tool tool(process,
            "usage: quota [-m SIZE] [-c CPU] [-p N] [-f N] COMMAND [ARGUMENT…]\n  -m  memory\n  -c  processor: 20%, "
            "20ms/100ms\n  -p  processes\n  -f  open files");
  struct Limit {
    std::string_view resource;
    std::string_view value;
  };
  base::Vector<Limit> limits(process.heap());
  Options options(tool, "m:c:p:f:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'm': limits.push_back({"memory", options.value()}); break;
      case 'c': limits.push_back({"cpu", options.value()}); break;
      case 'p': limits.push_back({"processes", options.value()}); break;
      default: limits.push_back({"files", options.value()}); break;
    }
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  char room[32];
  const std::string_view name = base::format(room, "quota-{}", process.pid());
  const auto made = process.make_directory(file_of(process, name));
  if (!made.ok()) {
    tool.error(name, made.error());
    return tool.finish();
  }
  bool good = true;
  for (const Limit& limit : limits) good = good && set_limit(tool, name, limit.resource, limit.value);
  const i32 status = good ? run_command(tool, {.args = options.operands(), .realm = name}) : 1;
  // What the command left running in it ends with it.
  control(tool, name, "destroy\n");
  return status;
}

}  // namespace user
