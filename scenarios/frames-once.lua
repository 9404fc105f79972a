-- frames-once.lua: numbered frames are sent while the server of the sender's link dies, with its answer under way or before. A
-- frame may be missing, for then its sender was told so; none arrives twice: what may have had its effect is not sent again.
local s = scenario("frames-once", { about = "no frame is sent twice", lasts = "500ms" })

local a, b = s:node("a", { cores = range(1, 2) }), s:node("b")
local lan = s:link("lan", { joins = { a, b }, latency = range("10us", "2ms") })
s:faults { allow = { "process.drop-reply target=a/link0 ratio=1/20", "process.kill target=a/link0" },
           intensity = range(2, 4), swarm = false }

local sent, seen, arrived, twice = 0, {}, 0, nil
s:client("sender", a, function(me)
  while me:running() do
    sent = sent + 1
    me:append("/dev/link/lan/data", ("frame %d"):format(sent))
    me:sleep(range("100us", "10ms"))
  end
end)
s:client("receiver", b, function(me)
  local file = me:open("/dev/link/lan/data", "r")
  while me:running() do
    local frame = file:read()
    if frame then
      if seen[frame] then twice = frame end
      seen[frame] = true
      arrived = arrived + 1
    end
  end
end)

s:sometimes("struck", "inject.fired")
s:always("once", function(w) return twice == nil, twice end)
local before
s:eventually("goes-on", function(w)
  before = before or arrived
  return arrived > before + 3
end, { within = "20s" })
