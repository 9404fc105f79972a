-- console-lines.lua: a loop writes numbered lines while the console's server dies, with its answer under way or before. A line
-- may be missing, for then the program was told so; no line comes twice: what may have had its effect is not sent again.
local s = scenario("console-lines", { about = "no line is written twice", lasts = "2s", liveness = "10s" })

local a = s:node("a", { cores = range(1, 2) })
local console = a:console()
s:faults { allow = { "process.drop-reply target=a/console at-most=3 ratio=1/20", "process.kill target=a/console at-most=2" },
           intensity = range(2, 3), swarm = false, budget = { copies_lost = 9 } }

local typed = 0
s:every("250ms", function(w)
  typed = typed + 1
  console:type(("for i in $(seq 12); do echo \"<%d.$i>\"; done\n"):format(typed))
end)

s:sometimes("struck", "inject.fired")
local answered = false
s:at("2s", function(w)
  for _ = 1, 10 do
    console:type("\3")
    w:sleep("100ms")
    console:type("echo calm-$((40 + 2))\n")
    answered = console:expect("calm-42", { within = "2s" }) ~= nil
    if answered then break end
  end
end)
s:eventually("answers", function(w) return answered end, { within = "10s" })
local seen = 0
s:always("once", function(w)
  local lines = {}
  seen = 0
  for line in console:text():gmatch("<%d+%.%d+>") do
    if lines[line] then return false, line .. " is there twice" end
    lines[line] = true
    seen = seen + 1
  end
  return true
end, { on = "world.phase" })
s:watermark("lines", function(w) return seen end)
