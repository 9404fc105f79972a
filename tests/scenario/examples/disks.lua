-- disks.lua: everything that a plan and its callbacks can do with disks, and a client with what is on them.
local s = scenario("disks", { about = "what can be done with disks", lasts = "600ms", warmup = "300ms" })

local data = s:disk("data", { size = "64KiB", sector = 4096, latency = range("20us", "40us"), bandwidth = "1Gbit",
                              cache = "ordered", cache_size = "16KiB", queue = 8, channels = 2, atomic = 4096 })
local notes = s:disk("notes", { from = "helper.lua" })
local a = s:node("a", { disks = { data, notes } })
local b = s:node("b")

local open, wrote, revoked
s:client("c", a, function(me)
  local function must(value, err) return assert(value, err and err.code .. " " .. err.detail) end
  assert(table.concat(me:list("/dev/disk"), " ") == "data notes")
  assert(me:stat("/dev/disk/data/data").size == 65536 and me:stat("/dev/disk/data/data").kind == "block device")
  assert(must(me:read("/dev/disk/notes/data")):find("milliseconds", 1, true))
  local file = must(me:open("/dev/disk/data/data", "rw"))
  must(file:seek(65530))
  must(file:write("ending"))
  must(file:sync())
  local _, err = file:write("behind")
  assert(err.code == "no space left")
  assert(file:seek(65526) and file:read() == "\0\0\0\0ending" and file:read() == "")
  wrote = true
  while not revoked do me:sleep("5ms") end
  _, err = file:read()
  assert(err.code == "access revoked", err.code)
  file:close()
  file = must(me:open("/dev/disk/data/data", "r"))
  assert(file:seek(65530) and file:read() == "ending")
  open = true
  while me:running() do me:sleep("5ms") end
end)

s:at("0s", function(w)
  while not wrote do w:sleep("5ms") end
  assert(data.name == "data" and data:is_plugged())
  local state = data:state()
  assert(state.plugged and not state.read_only and state.epoch == 1 and state.bandwidth == 1000000000)
  data:slow { latency = "1ms", bandwidth = "8Mbit" }
  w:slow(data, { latency = "100us" })
  assert(data:state().latency == 100000 and data:state().bandwidth == 8000000)
  assert(not pcall(function() data:slow { latncy = "1ms" } end))
  assert(not pcall(function() data:plug() end))
  data:unplug() assert(not data:is_plugged())
  w:sleep("10ms")
  data:plug()
  w:unplug(notes) w:plug(notes)
  assert(notes:state().epoch == 2 and tostring(notes) == "disk notes")
  revoked = true
end)
s:finally(function(w) assert(open) end)
