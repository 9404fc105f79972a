-- memory.lua: programs that take all the memory of their realm, again and again, beside one that works on. A realm's end of
-- memory is its own, and what it had is given back whole.
local s = scenario("memory", { about = "memory that runs out runs out for one realm", lasts = "300ms" })

local a = s:node("a", { cores = range(1, 2), memory = one_of { "32MiB", "64MiB" } })

local failed, worked = 0, 0
s:client("hog", a, function(me)
  while me:running() do
    local size = me:pick { "1M", "3M", "64M" }
    local done = me:run("quota -m 4M hog " .. size .. " && echo had it")
    if done.output:find("had it") then worked = worked + 1 else failed = failed + 1 end
    assert(size ~= "64M" or not done.output:find("had it"), "64M fit into 4M")
    me:sleep(range("20ms", "60ms"))
  end
end, { count = 2 })

s:client("neighbour", a, function(me)
  while me:running() do
    local done = me:run("seq 100 | wc -l")
    assert(done.status == 0 and done.output == "100\n", "the neighbour said " .. done.output)
    me:sleep(range("1ms", "20ms"))
  end
end)

s:sometimes("ran-out", function(w) return failed > 0 end)
s:eventually("goes-on", function(w) return worked > 0 end, { within = "20s" })
