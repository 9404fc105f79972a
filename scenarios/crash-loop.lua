-- crash-loop.lua: a server dies, and its successors too, after a few messages each. The supervisor waits longer each time
-- and does not give up; in the end the server is there again.
local s = scenario("crash-loop", { about = "a server in a crash loop comes back", lasts = "3s" })

local a = s:node("a")
s:faults { allow = { "process.crash-loop:deaths=1..2 target=a/dev intensity=4" }, swarm = false }

local served = 0
s:client("reader", a, function(me)
  while me:running() do
    local text, err = me:read("/dev/sysname")
    if text then
      assert(text == "orrery\n", "a wrong name: " .. text)
      served = served + 1
    end
    me:sleep(range("1ms", "40ms"))
  end
end)

s:sometimes("struck", "inject.fired")
s:watermark("restarts", function(w) return a:service("dev").restarts end)
s:always("bounded", function(w)
  local restarts = a:service("dev").restarts
  return restarts <= 10, "dev was started again " .. restarts .. " times"
end)
local before
s:eventually("serves-again", function(w)
  before = before or served
  return served > before + 3
end, { within = "30s" })
