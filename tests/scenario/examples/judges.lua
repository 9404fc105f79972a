-- judges.lua: every kind of judge there is, each of something that holds.
local s = scenario("judges", { about = "what can be judged", lasts = "300ms", warmup = "200ms", liveness = "5s" })

local a = s:node("a")
local console = a:console()
local stack = s:history("stack", { per = "name", model = {
  init = function() return {} end,
  apply = function(state, op)
    if op.name == "push" then
      state[#state + 1] = op.args[1]
      return true, state
    end
    local top = table.remove(state)
    return not op.known or op.result == top, state
  end,
} })
local notes = s:history("notes", { model = "register" })
local total = s:history("total", { model = { init = 0, reads = { "get" }, apply = function(state, op)
  if op.name == "add" then return true, state + tonumber(op.args[1]) end
  return not op.known or tonumber(op.result) == state
end } })

local kept, sum = {}, 0
s:client("worker", a, function(me)
  while me:running() do
    local text = me:unique()
    stack:call(me, "push", "s", text, function() kept[#kept + 1] = text return me:write("/home/top", text) end)
    stack:call(me, "pop", "s", function() me:sleep("1ms") return table.remove(kept) end)
    notes:write(me, text, function() return me:write("/home/note", text) end)
    notes:read(me, function() return me:read("/home/note") end)
    total:call(me, "add", 2, function() sum = sum + 2 return true end)
    total:call(me, "get", function() return sum end)
    me:sleep("10ms")
  end
end)

s:at("0s", function(w) console:type("echo $((6 * 7))\n") end)

s:always("up", function(w) return a:is_up() end)
s:always("reads", function(w) return notes:count("worker", "fail") == 0 end, { on = "trap" })
s:never("down", "world.node-down")
s:sometimes("called", "ipc.call node=a")
s:at_most_once("boot", "world.node-up", function(event) return event.a end)
s:eventually("goes-on", function(w) return notes:count("worker", "ok", "liveness") > 0 end, { within = "5s" })
s:leads_to("boots", "world.start", "world.node-up", { within = "1s" })
s:monitor("calls", { hot = "ipc.call thread=puppet*", cold = "ipc.reply or ipc.transfer or ipc.recv", within = "4s" })
s:watermark("threads", function(w) return #a:threads() end)
s:invariants { names = { "kernel.cdt", "kernel.rights" }, cadence = "end" }
s:golden("judges.golden")
s:finally(function(w)
  stack:check()
  notes:check { linearizable = true, read_your_writes = true, monotonic_reads = true }
  total:check { linearizable = true }
end)
