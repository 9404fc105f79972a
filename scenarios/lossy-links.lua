-- lossy-links.lua: two nodes add to a counter of a third over a link that loses, doubles, delays, reorders, damages and
-- cuts frames, and brings old ones back. Each addition has a number and is sent again until that number comes back
-- acknowledged; the counter takes each number once and in order; a frame whose checksum is wrong is none (stop-and-wait with
-- sequence numbers: Lynch 1968; Bartlett, Scantlebury, Wilkinson 1969). So each addition counts exactly once.
local s = scenario("lossy-links", { about = "additions over a bad link count exactly once", lasts = "2s", liveness = "30s" })

local nodes = {}
for i, name in ipairs { "a", "b", "c" } do nodes[i] = s:node(name, { cores = range(1, 2) }) end
local lan = s:link("lan", { joins = nodes, latency = range("100us", "2ms"), jitter = range("0us", "1ms") })
s:faults { allow = { "net.*" }, intensity = range(2, 4) }

-- A frame is `0123abcd text`: a checksum that bits and lengths both move (Fletcher 1982), and what it is about.
local function sum(text)
  local low, high = 1, #text
  for i = 1, #text do
    low = (low + text:byte(i)) % 65521
    high = (high + low) % 65521
  end
  return ("%08x"):format(high * 65536 + low)
end
local function pack(text) return sum(text) .. " " .. text end
local damaged = 0
local function unpack(frame)
  local check, text = (frame or ""):match("^(%x+) (.*)$")
  if text and check == sum(text) then return text end
  damaged = damaged + 1
end

local sent, acked, taken = { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }
local again = 0                          -- frames that were sent once more

s:client("counter", nodes[1], function(me)
  local frames = me:open("/dev/link/lan/data", "r")
  while me:running() do
    local who, number = (unpack(frames:read()) or ""):match("^add (%d) (%d+)$")
    if who then
      who, number = tonumber(who), tonumber(number)
      if number == taken[who] + 1 then taken[who] = number end
      me:write("/dev/link/lan/" .. who, pack("ack " .. taken[who]))
    end
  end
end)

for i = 2, 3 do
  s:client("adder-" .. i, nodes[i], function(me)
    local told = 0
    while me:running() do
      if acked[i] == sent[i] and me:now() < 2800000000 then sent[i] = sent[i] + 1 end
      if acked[i] < sent[i] then
        if told == sent[i] then again = again + 1 end
        told = sent[i]
        me:write("/dev/link/lan/1", pack("add " .. i .. " " .. sent[i]))
      end
      me:sleep(range("2ms", "20ms"))
    end
  end)
  s:client("hearer-" .. i, nodes[i], function(me)
    local frames = me:open("/dev/link/lan/data", "r")
    while me:running() do
      local number = (unpack(frames:read()) or ""):match("^ack (%d+)$")
      if number then acked[i] = math.max(acked[i], tonumber(number)) end
    end
  end)
end

s:sometimes("lost", "net.drop")
s:sometimes("sent-again", function(w) return again > 0 end)
s:sometimes("damaged", function(w) return damaged > 0 end)
s:always("exactly-once", function(w)     -- what was acknowledged counts, and nothing that was not asked for
  for i = 2, 3 do
    if acked[i] > taken[i] then return false, nodes[i].name .. " heard of " .. acked[i] .. " of " .. taken[i] end
    if taken[i] > sent[i] then return false, nodes[i].name .. " sent " .. sent[i] .. ", " .. taken[i] .. " count" end
    if sent[i] > acked[i] + 1 then return false, nodes[i].name .. " does not wait" end
  end
  return true
end)
s:eventually("all-count", function(w)
  return acked[2] == sent[2] and acked[3] == sent[3] and taken[2] == sent[2] and taken[3] == sent[3] and sent[2] + sent[3] > 10
end, { within = "20s" })
