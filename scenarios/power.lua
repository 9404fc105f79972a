-- power.lua: nodes lose their power at any moment and get it back. Their clients begin anew, their memory is empty, and
-- nobody else notices.
local s = scenario("power", { about = "a node comes back from a power cut", lasts = "2s", liveness = "20s" })

local a, b = s:node("a", { cores = range(1, 2) }), s:node("b")
local lives, steady = 0, 0

s:client("mortal", a, function(me)
  lives = lives + 1
  local left = me:read("/tmp/left")
  assert(left == nil, "memory outlived the power: " .. tostring(left))
  while me:running() do
    me:write("/tmp/left", me:unique())
    me:sleep("2ms")
  end
end)
s:client("steady", b, function(me)
  while me:running() do
    steady = steady + 1
    me:sleep("5ms")
  end
end)

s:every("400ms", function(w)
  w:sleep(range("0ms", "100ms"))
  a:crash()
  w:sleep(range("1ms", "150ms"))
  a:boot()
end)
s:sometimes("cut", "world.node-down")
s:always("b-is-up", function(w) return b:is_up() end, { on = "world.node-down" })
s:eventually("lives-again", function(w) return a:is_up() and lives > 2 and steady > 2 end)
