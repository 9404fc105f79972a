-- ctrl-c.lua: Ctrl-C, again and again, into pipelines, loops and programs that start. Every one of them ends, the shell
-- does not, and afterwards nothing is left running.
local s = scenario("ctrl-c", { about = "Ctrl-C ends what runs and nothing else", lasts = "2s", liveness = "30s" })

local a = s:node("a", { cores = range(1, 2) })
local console = a:console()
s:faults { allow = { "cpu.steal", "timer.late", "irq.double" }, intensity = range(1, 3) }

s:every("150ms", function(w)
  local lines = { "spin\n", "yes | cat > /dev/null\n", "while true; do sleep 1; done\n", "seq 9999 | sort -r | tail -n 1\n" }
  console:type(lines[math.random(#lines)])
  w:sleep(range("1us", "60ms"))
  console:type("\3")
end)

local answered = false
s:at("2s", function(w)
  -- A Ctrl-C that comes while the shell itself edits its line only clears that line, as everywhere: so more than one.
  for _ = 1, 10 do
    console:type("\3")
    w:sleep("50ms")
    console:type("echo still-$((40 + 2))\n")
    answered = answered or console:expect("still-42", { within = "2s" }) ~= nil
    if answered then break end
  end
end)
s:never("shell-ended", "world.node-down")
s:eventually("answers", function(w) return answered end, { within = "28s" })
s:finally(function(w)
  for _, name in ipairs(a:threads()) do
    assert(name ~= "spin" and name ~= "yes" and name ~= "sort", name .. " is still there")
  end
end)
