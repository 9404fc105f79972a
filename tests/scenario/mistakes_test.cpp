// tests/scenario/mistakes_test.cpp — what is wrong with a scenario file is said with file and line, all at once.
#include <catch2/catch.hpp>

#include <fstream>

#include "sim/host/scenario/case.h"
#include "user/image.h"
#include "user/native.h"

using namespace sim::host::scenario;

namespace {

/// Its mistakes, a line each.
std::string mistakes_of(const std::string& text) {
  Sources sources;
  sources.folder = ".";
  sources.files = {{"x.lua", text}};
  const Program program(sources, 1);
  std::string out;
  for (const Mistake& mistake : program.mistakes) out += text_of(mistake) + "\n";
  return out;
}

const std::string kHead = "local s = scenario('x', {}) local a = s:node('a')\n";

struct Broken {
  const char* text;     // from line 2 on; line 1 declares s and a
  const char* message;  // begins so, behind "x.lua:2: "
};

// Every kind of mistake a file can make before it runs.
constexpr Broken kBroken[] = {
    {"s:node('b', { memroy = '64MiB' })", "node \"b\": unknown field 'memroy'; did you mean 'memory'?"},
    {"s:node('b', { cores = 0 })", "node \"b\": cores: 0 is not in 1 … 128"},
    {"s:node('b', { cores = 'two' })", "node \"b\": cores: 'two' is not a number"},
    {"s:node('b', { cores = 1.5 })", "node \"b\": cores: 1.5 is not a whole number"},
    {"s:node('b', { cores = range(4, 1) })", "node \"b\": cores: range is reversed (4 … 1)"},
    {"s:node('b', { cores = one_of { 1, 999 } })", "node \"b\": cores: 999 is not in 1 … 128"},
    {"s:node('b', { cores = ratio(1, 2) })", "node \"b\": cores: a ratio is not asked for here"},
    {"s:node('b', { memory = '5 apples' })", "node \"b\": memory: '5 apples' is not a size, for example \"64MiB\""},
    {"s:node('b', { memory = '1MiB' })", "node \"b\": memory: 1MiB is not in 16MiB … 3584MiB"},
    {"s:node('b', { clock = { skew = '1s', ppm = 3 } })", "node \"b\": clock: unknown field 'ppm'"},
    {"s:node('b', { clock = { skew = 5 } })", "node \"b\": clock: skew: 5 is not a time, for example \"5ms\""},
    {"s:node('b', { disks = { 'd' } })", "node \"b\": disks: number 1 is a string, not a disk"},
    {"s:node('b', { disks = { s:disk('d'), a } })", "node \"b\": disks: number 2 is a node, not a disk"},
    {"local d = s:disk('d') s:node('b', { disks = { d, d } })", "node \"b\": disks: \"d\" stands there twice"},
    {"local d = s:disk('d') s:node('b', { disks = { d } }) s:node('c', { disks = { d } })",
     "node \"c\": disks: \"d\" is in node b"},
    {"s:node('b', { disks = { s:disk('1'), s:disk('2'), s:disk('3'), s:disk('4'), s:disk('5') } })",
     "node \"b\": disks: a node has at most 4 disks"},
    {"s:node('b', { services = { 'fxfs' } })", "node \"b\": services: 'fxfs' comes with storage: not in this version"},
    {"s:node('b', { services = { 'netd' } })",
     "node \"b\": services: 'netd' comes with the network: not in this version"},
    {"s:node('b', { services = { 'pip' } })", "node \"b\": services: there is no service 'pip'; did you mean 'pipe'?"},
    {"s:node('b', { services = 'pipe' })", "node \"b\": services: a list of texts is needed, not a string"},
    {"s:node('b', { tags = { 1 } })", "node \"b\": tags: number 1 is a number, not a text"},
    {"s:node('b', 5)", "node \"b\": a table of fields is needed, not a number"},
    {"s:node('a')", "node \"a\": declared already at x.lua:1"},
    {"s:node('a b')", "node \"a b\": a name is 1 to 31 letters, digits, '-', '_' and '.'"},
    {"s:node()", "node: a name is needed first, not a no value"},
    {"s:node(5)", "node: a name is needed first, not a number"},
    {"s:nodee('b')", "a scenario has no 'nodee'; did you mean 'node'?"},
    {"s:disk('d')", "disk \"d\": no node has it: s:node(name, { disks = { … } })"},
    {"s:disk('d') s:disk('d')", "disk \"d\": declared already at x.lua:2"},
    {"s:disk('d', { sise = '1MiB' })", "disk \"d\": unknown field 'sise'; did you mean 'size'?"},
    {"s:disk('d', { size = '1KiB' })", "disk \"d\": size: 1KiB is not in 4KiB … 256GiB"},
    {"s:disk('d', { size = one_of { '8KiB', '9KiB' } })", "disk \"d\": size: 9KiB is no multiple of 4KiB"},
    {"s:disk('d', { sector = 1024 })", "disk \"d\": sector: 512 or 4096 bytes are needed"},
    {"s:disk('d', { sector = 4096, atomic = 512 })", "disk \"d\": atomic: what is written whole is at least a sector"},
    {"s:disk('d', { cache = 'volatil' })",
     "disk \"d\": cache: 'volatil' is no kind of cache; did you mean 'volatile'?"},
    {"s:disk('d', { latency = 'slow' })", "disk \"d\": latency: 'slow' is not a time, for example \"5ms\""},
    {"s:disk('d', { queue = 0 })", "disk \"d\": queue: 0 is not in 1 … 64"},
    {"s:disk('d', { format = 'fxfs' })",
     "disk \"d\": format: a file system comes with fxfs: not in this version; from ="},
    {"s:disk('d', { from = '../image' })",
     "disk \"d\": from: '../image': only files below the scenario's folder can be used"},
    {"s:disk('d', { from = 'nothing.img' })", "disk \"d\": from: 'nothing.img' cannot be read"},
    {"a:mount('/x', 'tcp!b')", "mount: a tree of another node comes with the network: not in this version"},
    {"a:file('relative', 'x')", "node \"a\": file 'relative': an absolute path of at most 100 bytes"},
    {"a:file('/etc/../x', 'x')", "node \"a\": file '/etc/../x': an absolute path"},
    {"a:file('/tmp/x', 'x')", "node \"a\": file '/tmp/x': what is in the image there is not seen"},
    {"a:file('/etc/x')", "node \"a\": file: a path and a text are needed"},
    {"a:console { colums = 80 }", "node \"a\": console: unknown field 'colums'; did you mean 'columns'?"},
    {"a:spawn { args = { 'x' } }", "program is needed: the name of a file in /bin"},
    {"a:spawn { program = 'ls', budget = 1 }", "node \"a\": spawn: budget: comes later: not in this version"},
    {"a:supervise('tmp', { program = 'ramfs' })", "supervise \"tmp\": every node has this service"},
    {"a:supervise('x', { program = 'ramfs', mount = '/mnt' })", "supervise \"x\": mount: srv is needed too"},
    {"s:link('l', { joins = { a } })", "link \"l\": joins: at least two nodes are needed"},
    {"s:link('l', { joins = { a, a } })", "link \"l\": joins: a node stands there twice"},
    {"s:link('l', { joins = { a, s } })", "link \"l\": joins: number 2 is a scenario, not a node"},
    {"s:link('l', { joins = { a, s:node('b') }, latency = range('5ms', '100us') })",
     "link \"l\": latency: range is reversed (5ms … 100us)"},
    {"s:link('l', { joins = { a, s:node('b') }, bandwidth = '5 fast' })",
     "link \"l\": bandwidth: '5 fast' is not a rate, for example \"100Mbit\""},
    {"s:link('l', { joins = { a, s:node('b') }, loss = ratio(1, 2) })", "link \"l\": loss: loss is a fault: s:faults"},
    {"s:client('c', 'a', function() end)", "client \"c\": the node on which it runs is needed second"},
    {"s:client('c', a)", "client \"c\": a function is needed, not a no value"},
    {"s:client('c', a, function() end, { count = 0 })", "client \"c\": count: 0 is not in 1 … 256"},
    {"s:at('soon', function() end)", "at: 'soon' is not a time, for example \"5ms\""},
    {"s:at(5, function() end)", "at: 5 is not a time, for example \"5ms\""},
    {"s:at('5s')", "at: a function is needed, not a no value"},
    {"s:every('1ns', function() end)", "every: 1ns is not in 1us … 100d"},
    {"s:when(5, function() end)", "when: a pattern of events is needed first"},
    {"s:always('x')", "always \"x\": a function is needed, not a no value"},
    {"s:never('x', function() end)", "never \"x\": a pattern of events is needed, not a function"},
    {"s:never('x', 'fs.open') s:never('x', 'fs.open')", "never \"x\": declared already at x.lua:2"},
    {"s:never('x', 'fs.opn')", "never \"x\": column 1: "},
    {"s:when('vm.proces-exit', function() end)",
     "when: column 1: no kind of event is called 'vm.proces-exit'; did you mean 'vm.process-exit'?"},
    {"s:sometimes('x', 'fs.repoen node=a')",
     "sometimes \"x\": column 1: no kind of event is called 'fs.repoen'; did you mean 'fs.reopen'?"},
    {"s:when('node=zz', function() end)", "when: column "},
    {"s:eventually('x', function() end, { within = 'later' })", "eventually \"x\": within: 'later' is not a time"},
    {"s:monitor('x', { hot = 'fs.open' })", "monitor \"x\": patterns hot and cold are needed"},
    {"s:history('h', { model = 'regster' })",
     "history \"h\": model: there is no model 'regster'; did you mean 'register'?"},
    {"s:node('b') s:history('h', { model = 'register', buffered = true })",
     "history \"h\": buffered: which node keeps the data, whose power cuts may take it back?"},
    {"s:node('b') s:history('h', { model = 'register', node = 'b' })", "history \"h\": node: a node is needed"},
    {"s:faults { alow = {} }", "faults: unknown field 'alow'; did you mean 'allow'?"},
    {"s:faults { allow = { 'process.kil' } }", "faults: allow: "},
    {"s:faults { allow = {}, budget = { nodes = 1 } }", "faults: budget: unknown field 'nodes'"},
    {"s:faults { intensity = 9 }", "faults: intensity: 9 is not in 0 … 4"},
    {"s:quantum('1ns')", "quantum: 1ns is not in 1us … 1s"},
    {"s:costs { syscal = 3 }", "costs: unknown field 'syscal'; did you mean 'syscall'?"},
    {"scenario('y')", "scenario \"x\" is declared already at x.lua:1"},
    {"os.time()", "'os' does not exist in scenarios; the time is me:now(), randomness is me:below(n)"},
    {"s:client('c', a, function(me) io.open('x') end)", "'io' does not exist in scenarios; files are those of a node"},
    {"s:client('c', a, function(me) return nod end)", "there is no 'nod'"},
    {"local x = 2 ^ 3", "'^' does not exist in scenarios"},
    {"use('../x.lua')", "use: '../x.lua': only files below the scenario's folder can be used"},
    {"use('nothing.lua')", "use: 'nothing.lua' cannot be read"},
    {"local function f( end", "<name> or '...' expected near 'end'"},
    {"s.lasts = 5", "a scenario cannot be changed by assignment"},
    {"error('no')", "no"},
    {"s:expect_excuse()", "expect_excuse: a text of the excuse is needed"},
    {"s:expect_excuse('x') s:expect_excuse('y')", "expect_excuse: declared already"},
    {"s:golden('/etc/x')", "golden: the name of a file in the scenario's folder is needed"},
    {"s:golden('x', { events = 'fs.opn' })", "golden \"x\": column 1: "},
    {"s:history('h', { model = { apply = function() end } })", "history \"h\": model: init is needed"},
    {"s:history('h', { model = { init = 0 } })", "history \"h\": model: apply is needed"},
    {"s:history('h', { model = { init = 0, aply = 1 } })",
     "history \"h\": model: unknown field 'aply'; did you mean 'apply'?"},
    {"a:crash()", "n:crash cannot be called from the file itself, before the run"},
};

}  // namespace

TEST_CASE("each mistake is answered with its line and what to do", "[scenario][mistakes][simulation.T54]") {
  static_assert(std::size(kBroken) >= 60);
  for (const Broken& broken : kBroken) {
    CAPTURE(broken.text);
    const std::string said = mistakes_of(kHead + broken.text + "\n");
    CHECK(said.find(std::string("x.lua:2: ") + broken.message) != std::string::npos);
    if (said.find(std::string("x.lua:2: ") + broken.message) == std::string::npos) WARN(said);
  }
  CHECK(mistakes_of(kHead).empty());
}

TEST_CASE("a file tells all its mistakes at once, at most twenty", "[scenario][mistakes][simulation.T54]") {
  CHECK(
      mistakes_of("local s = scenario('x', { lastz = 3 })\n"
                  "local a = s:node('a', { coers = 3 })\n"
                  "local b = s:node('a')\n"
                  "b:file('/etc/x', 'what follows a mistake is none') s:client('c', b, function() os.exit() end)\n") ==
      "x.lua:1: scenario \"x\": unknown field 'lastz'; did you mean 'lasts'?\n"
      "x.lua:2: node \"a\": unknown field 'coers'; did you mean 'cores'?\n"
      "x.lua:3: node \"a\": declared already at x.lua:2\n"
      "x.lua:4: 'os' does not exist in scenarios; the time is me:now(), randomness is me:below(n)\n");
  std::string many = kHead;
  for (int i = 0; i < 50; ++i) many += "s:node('a')\n";
  const std::string said = mistakes_of(many);
  CHECK(std::count(said.begin(), said.end(), '\n') == 20);
  CHECK(mistakes_of("print(1)").find("x.lua:1: nothing is declared") == 0);
  CHECK(mistakes_of("scenario('x')").find("no node is declared") != std::string::npos);
}
