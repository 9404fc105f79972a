-- budgets.lua: a realm that may use a tenth of a core spins as hard as it can. It gets no more, and everybody
-- else goes on.
local s = scenario("budgets", { about = "a realm cannot take more than its share", lasts = "2s" })

local a = s:node("a", { cores = range(1, 2) })
s:faults { allow = { "timer.late", "timer.merge", "irq.double" }, intensity = range(1, 2) }

s:client("greedy", a, function(me)
  local before = me:now()
  me:run("realm make mean; realm limit mean cpu 10%")
  for i = 1, 3 do me:run("realm run mean spin > /dev/null 2>&1 &") end
  me:sleep("1s")
  local usage = me:run("cat /realm/child/mean/usage").output
  local used = tonumber(usage:match("cpu (%d+)"))
  local time = me:now() - before
  assert(used and used <= time * 13 // 100, "the realm got more than its tenth: " .. usage)
  me:run("realm kill mean")
end)

local slowest = 0
s:client("polite", a, function(me)
  while me:running() do
    local before = me:now()
    me:run("seq 50 | sort | wc -l")
    slowest = math.max(slowest, me:now() - before)
    me:sleep("20ms")
  end
end)
s:watermark("slowest-ms", function(w) return slowest // 1000000 end)
s:eventually("polite-goes-on", function(w) return slowest > 0 end, { within = "20s" })
