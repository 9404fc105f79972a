-- actions.lua: everything that a callback can do to nodes, links, racks and consoles, and all that it can see.
local s = scenario("actions", { about = "what a callback can do", lasts = "4s", warmup = "200ms" })

local a = s:node("a", { cores = 2, clock = { skew = "1ms", drift = 50 } })
local b, c = s:node("b"), s:node("c")
local lan = s:link("lan", { joins = { a, b, c }, latency = range("100us", "1ms"), jitter = "10us", bandwidth = "100Mbit" })
local both = s:rack("both", { b, c })
local console = a:console { columns = 100, rows = 30 }
s:faults { allow = { "timer.late" }, intensity = 1 }

local ticks, cuts, ready = 0, 0, false
s:ready(function(w) ready = true return w:phase() == "warmup" end)
s:every("100ms", function(w) ticks = ticks + 1 end, { times = 3 })
s:when("world.node-down", function(w, event) cuts = cuts + 1 end)

s:at("0s", function(w)
  assert(w:seed() > 0 and w:now() > 0 and w:events() > 0 and w:phase() == "safety")
  console:type("echo $((6*7))\n")
  assert(console:expect("42\r\n", { within = "1s" }) and console:text():find("42"))
  -- Power, for one node and for several, by both spellings.
  b:crash() assert(not b:is_up()) b:boot()
  w:crash(b) w:boot(b)
  both:crash() both:boot()
  w:crash(both) w:sleep("10ms") w:boot(both)
  assert(w:last("world.node-up").kind == "world.node-up" and w:last("world.stalled") == nil)
  -- Cores.
  a:pause("1ms") w:pause(a, "1ms") a:steal(0, "1ms") w:steal(a, 1, "1ms")
  -- Clocks.
  local before = a:clock_error()
  a:step_clock("-5ms") w:step_clock(a, "3ms")
  assert(a:clock_error() < before)
  a:drift(100) w:drift(a, 0)
  -- Links.
  assert(lan.name == "lan" and lan:is_up() and lan:state().mtu == 1500)
  lan:down() assert(not lan:state().up) lan:up()
  lan:unplug() lan:plug() w:unplug(lan) w:plug(lan)
  lan:slow("2ms") w:slow(lan, "1ms")
  assert(lan:state().latency == 1000000)
  w:partition({ a }, { b, c })
  w:heal()
  w:heal("net.*")
  -- Faults.
  w:quiet(true) w:quiet(false)
  w:inject("clock.skew", c, { time = "2ms" })
  w:inject("cpu.steal", "a/core0", { time = "5us" })
  c:slow(3, "50ms") w:slow(c, 2, "10ms")
  c:process("dev"):trap() w:trap(c:process("pipe"))
  c:process("timer"):hang() w:hang(c:process("console"))
  -- Programs.
  assert(#a:threads() > 4 and table.concat(a:services(), " "):find("dev"))
  a:kill("nobody") w:kill(a, "nobody")
  a:process("dev"):kill()
  w:sleep("500ms")
  local dev = a:service("dev")
  dev:kill() w:kill(a:process("dev"))
  w:sleep("500ms")
  assert(dev.restarts >= 0 and w:count("cut") > 0)
  console:end_input()
  w:note("done")                               -- and the shell of a halts it
end)

s:sometimes("cut", "world.node-down")
s:finally(function(w) assert(ready and ticks == 3 and cuts == 7, ticks .. " ticks, " .. cuts .. " cuts") end)
