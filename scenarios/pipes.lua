-- pipes.lua: pipelines on several cores whose time is stolen, under any schedule. What goes in comes out, in order, once.
local s = scenario("pipes", { about = "pipelines lose and double nothing", lasts = "300ms" })

local a = s:node("a", { cores = range(1, 4) })
s:faults { allow = { "cpu.*", "irq.*", "timer.late" }, intensity = range(2, 4) }

local done = 0
s:client("sh", a, function(me)
  while me:running() do
    local n = 1 + me:below(60)
    local line = me:pick {
      "seq %d | cat | cat | wc -l",
      "seq %d | sort -r | sort -n | tail -n 1",
      "{ seq %d; } | while read n; do echo $n; done | tail -n 1",
    }
    local result = me:run(line:format(n))
    assert(result.status == 0 and tonumber(result.output) == n,
      line .. " with " .. n .. " said " .. result.output)
    done = done + 1
    me:sleep(range("5ms", "40ms"))
  end
end, { count = 2 })

s:sometimes("stolen", "inject.fired")
s:eventually("flows", function(w) return done > 1 end, { within = "20s" })
