-- kill-storm.lua: command lines run while the servers below them are killed in the middle of requests. A server comes back
-- with its clients still waiting: a line may take longer, or say `server restarted`, but it ends, and it is never wrong.
local s = scenario("kill-storm", { about = "the shell works on while its servers are killed", lasts = "2s" })

local a = s:node("a", { cores = range(1, 2) })
s:faults { allow = { "process.kill", "process.trap", "process.drop-reply" }, intensity = range(2, 3) }

-- What a line says at its end, when it says that it went well.
local lines = {
  { "echo $((6 * 7))", "42\n" },
  { "seq 5 | sort -r | head -n 1", "5\n" },
  { "cat /dev/sysname", "orrery\n" },
  { "sleep 0.02; echo slept", "slept\n" },
}
local right, wrong = {}, nil  -- lines that went well, by client
s:client("sh", a, function(me)
  while me:running() do
    local line = me:pick(lines)
    local done, err = me:run(line[1])
    if done and done.status == 0 then
      right[me.name] = (right[me.name] or 0) + 1
      if done.output:sub(-#line[2]) ~= line[2] then wrong = line[1] .. " said " .. done.output end
    end
    me:sleep(range("1ms", "30ms"))
  end
end, { count = 2 })

s:sometimes("killed", "trap.fault")
s:always("never-wrong", function(w) return wrong == nil, wrong end)
local before = {}
s:eventually("run-again", function(w)     -- every client, not only one of them: no line hangs for ever
  local go_on = 0
  for name, count in pairs(right) do
    before[name] = before[name] or count
    if count > before[name] + 1 then go_on = go_on + 1 end
  end
  return go_on == 2
end, { within = "20s" })
