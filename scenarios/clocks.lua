-- clocks.lua: a node's wall clock jumps to and fro and its rate changes. Sleeps go by monotonic time: none ends too
-- early, and uptime never goes back.
local s = scenario("clocks", { about = "sleeping does not depend on the wall clock", lasts = "2s" })

local a = s:node("a", { clock = { skew = range("-1h", "1h"), drift = range(-400, 400) } })

s:every("70ms", function(w) a:step_clock(range("-30m", "30m")) end)
s:every("110ms", function(w) a:drift(range(-500, 500)) end)

local last, rounds = 0, 0
s:client("sleeper", a, function(me)
  while me:running() do
    local wanted = (1 + me:below(40)) * 1000000
    local before = me:now()
    me:sleep(wanted // 1000000 .. "ms")
    local took = me:now() - before
    assert(took >= wanted * 999 // 1000, "a sleep of " .. wanted .. " ns took only " .. took)
    local uptime = tonumber((me:read("/dev/clock") or ""):match("(%d+)\n"))
    assert(uptime >= last, "uptime went back from " .. last .. " to " .. uptime)
    last = uptime
    rounds = rounds + 1
  end
end)

s:eventually("wakes", function(w) return rounds > 10 end, { within = "20s" })
s:sometimes("stepped", "world.clock-set")
s:finally(function(w)
  w:note("the clock was wrong by " .. a:clock_error() // 1000000 .. " ms in the end")
end)
