-- counter-links.lua: three nodes count together over a raw link. Each adds to a counter of its own and tells the others its
-- value; a value that comes is taken if it is larger (a grow-only counter, Shapiro et al. 2011). The link is cut and healed,
-- frames are late and overtake nothing: in the end all three agree on the sum.
local s = scenario("counter-links", { about = "a replicated counter converges after partitions", lasts = "2s", liveness = "20s" })

local nodes = {}
for i, name in ipairs { "a", "b", "c" } do nodes[i] = s:node(name, { cores = range(1, 2) }) end
local lan = s:link("lan", { joins = nodes, latency = range("100us", "5ms"), jitter = range("0us", "2ms") })
s:faults { allow = { "cpu.steal", "timer.late" }, intensity = range(1, 3) }

local known = { {}, {}, {} }             -- what each node knows of each
for i, node in ipairs(nodes) do
  for k = 1, 3 do known[i][k] = 0 end
  s:client("teller-" .. i, node, function(me)
    while me:running() do
      if me:now() < 2500000000 then known[i][i] = known[i][i] + 1 end
      me:write("/dev/link/lan/data", table.concat(known[i], " "))
      me:sleep(range("5ms", "40ms"))
    end
  end)
  s:client("hearer-" .. i, node, function(me)
    local frames = me:open("/dev/link/lan/data", "r")
    while me:running() do
      local text = frames:read()
      local k = 0
      for value in (text or ""):gmatch("%d+") do
        k = k + 1
        known[i][k] = math.max(known[i][k], tonumber(value))
      end
    end
  end)
end

s:at("300ms", function(w) w:partition({ nodes[1] }, { nodes[2], nodes[3] }) end)
s:at("900ms", function(w) w:heal() end)
s:at("1200ms", function(w) lan:down() w:sleep("300ms") lan:up() end)

s:sometimes("lost", "net.drop")
s:always("never-ahead", function(w)      -- nobody knows more of another than it counted itself
  for i = 1, 3 do
    for k = 1, 3 do
      if known[i][k] > known[k][k] then return false, i .. " counts " .. known[i][k] .. " for " .. k end
    end
  end
  return true
end)
s:eventually("agree", function(w)
  for k = 1, 3 do
    if known[1][k] ~= known[2][k] or known[2][k] ~= known[3][k] then return false end
  end
  return known[1][1] > 0
end, { within = "15s" })
