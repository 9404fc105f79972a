-- lost.lua: a node is lost for good, which no promise covers. The failure is excused, and the proof is a run without it.
local s = scenario("lost", { about = "what is lost is excused", lasts = "3s", warmup = "200ms" })

local a, b = s:node("a"), s:node("b")
s:faults { allow = { "node.lost:target=b per-minute=60 at-most=1" }, swarm = false, budget = { nodes_down = 1 } }
s:client("ticker", a, function(me) while me:running() do me:sleep("20ms") end end)
s:always("b-is-up", function(w) return b:is_up() end)
s:expect_excuse("node.lost b @0")
