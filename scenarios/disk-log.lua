-- disk-log.lua: two clients keep numbered texts on a disk, each in its half, at any offset and of any length, up to the last
-- byte. The node loses its power, the driver dies, the disk goes and comes back, is slow, fails for a moment, fails to
-- flush. After each return all of it is looked at: a unit of 4 KiB holds what it held at its client's last sync, or what was
-- written there since. Nothing else is ever read.
local s = scenario("disk-log", { about = "what sync acknowledged is there, and nothing wrong is read", lasts = "1500ms" })

local UNIT, HALF = 4096, 12
local log = s:disk("log", { size = "96KiB", latency = range("20us", "400us"), bandwidth = range("200Mbit", "4Gbit"),
                            channels = range(1, 4), queue = one_of { 1, 4, 32 } })
local a = s:node("a", { cores = range(1, 2), disks = { log } })

-- Faults that leave a unit whole, for no driver can promise anything about parts of one; and a flush that fails drops nothing,
-- for a driver that dies before all have asked again has told of it to some.
s:faults { allow = { "disk.reorder", "disk.garbage", "disk.slow length=100ms", "disk.transient ratio=1/50",
                     "disk.timeout ratio=1/200 time=20ms late=30ms", "disk.failed-flush ratio=1/20 dropped=0" } }

local wrong                                     -- what was found, the first
local losses, texts, synced, recovered = 0, 0, 0, 0
local expected = { ["server restarted"] = true, ["server stopped"] = true, ["access revoked"] = true,
                   ["no such device"] = true, ["interrupted"] = true }

-- The client of HALF units from `first` on. `may` outlives it: for each unit what it may hold, oldest first; the first was
-- there at the last sync, `done` is the last whose write was answered.
local function keeper(first)
  local may, done, seen, begun = {}, {}, 0, false
  local doubt = false                           -- a flush has failed: what was written since a good one may be lost

  local function place(bytes, what)             -- the newest of `may` in a row of bytes
    local rows = {}
    for unit = bytes // UNIT, (bytes + what - 1) // UNIT do rows[#rows + 1] = may[unit][#may[unit]] end
    return table.concat(rows):sub(bytes % UNIT + 1, bytes % UNIT + what)
  end
  local function blame(what, text, of)
    local from = 1
    while text:byte(from) == of:byte(from) do from = from + 1 end
    wrong = wrong or ("%s: byte %d is %q, not %q"):format(what, from - 1, text:sub(from, from + 15),
                                                          of:sub(from, from + 15))
  end

  return function(me)
    local file
    local function failed(what, err)
      if (err.code == "I/O error" or err.code == "timed out") and
         (what == "sync" or err.detail == "an earlier flush failed") then
        doubt = true
      elseif not expected[err.code] then
        wrong = wrong or what .. ": " .. err.code .. " " .. err.detail
      end
      if err.code == "access revoked" or err.code == "no such device" then seen = -1 end  -- the disk was gone
      return false
    end
    local function read(from, bytes)
      local ok, err = file:seek(from)
      local text
      if ok then text, err = file:read(bytes) end
      if not text then return nil, failed("read", err) end
      if #text ~= bytes then wrong = wrong or ("read at %d: %d bytes, not %d"):format(from, #text, bytes) end
      return text
    end
    local function write(from, text)
      local at = 0
      while at < #text do                       -- what each unit it touches may hold from now on
        local unit, skip = (from + at) // UNIT, (from + at) % UNIT
        local part = text:sub(at + 1, at + UNIT - skip)
        local old = may[unit][#may[unit]]
        table.insert(may[unit], old:sub(1, skip) .. part .. old:sub(skip + #part + 1))
        at = at + #part
      end
      local ok, err = file:seek(from)
      if ok then ok, err = file:write(text) end
      if not ok then return failed("write at " .. from, err) end
      for unit = from // UNIT, (from + #text - 1) // UNIT do done[unit] = #may[unit] end
      return true
    end
    local function sync()
      for unit = first, first + HALF - 1 do     -- a later flush does not mend one that failed: it is written again
        local newest = may[unit][#may[unit]]
        if doubt and #may[unit] > 1 and not write(unit * UNIT, newest) then return false end
      end
      doubt = false
      local ok, err = file:sync()
      if not ok then return failed("sync", err) end
      for unit = first, first + HALF - 1 do may[unit], done[unit] = { may[unit][done[unit]] }, 1 end
      synced = synced + 1
      return true
    end
    local function write_all()                  -- the first time: what a blank disk holds is nobody's
      for unit = first, first + HALF - 1 do
        if not may[unit] then may[unit], done[unit] = { ("."):rep(UNIT) }, 1 end
        if not write(unit * UNIT, ("%04d"):format(unit):rep(UNIT // 4)) then return false end
      end
      begun = sync()
      return begun
    end
    local function look()                       -- at everything, after a return
      local lost = seen ~= losses
      seen = losses
      local any = lost or doubt
      for unit = first, first + HALF - 1 do
        local text = read(unit * UNIT, UNIT)
        if not text then
          if lost then seen = -1 end
          return false
        end
        local which = #may[unit]
        while which > 0 and may[unit][which] ~= text do which = which - 1 end
        local least = any and 1 or done[unit]
        if which < least then
          return blame(("unit %d, %s"):format(unit, any and "after a loss" or "without a loss"), text, may[unit][least])
        end
        if lost then
          may[unit] = { text }
        elseif doubt then
          table.insert(may[unit], text)         -- the newest now; the others may come back
        else
          may[unit] = { table.unpack(may[unit], 1, which) }
        end
        done[unit] = #may[unit]
      end
      recovered = recovered + 1
      return true
    end
    local function step()
      local what = me:below(8)
      if what == 0 then return sync() end
      local bytes = 1 + me:below(me:pick { 200, 4096 })  -- one request: a longer write could end between two
      local from = first * UNIT + me:below(HALF * UNIT - bytes + 1)
      if me:chance(1, 8) then from = (first + HALF) * UNIT - bytes end
      if what < 5 then
        texts = texts + 1
        if not write(from, ("<%d>"):format(texts):rep(bytes):sub(1, bytes)) then return false end
        if me:chance(1, 2) then return true end
      end
      for _ = 1, me:below(4) do                 -- and on, from where it ends
        local text = read(from, bytes)
        if not text then return false end
        local newest = place(from, bytes)
        if text ~= newest then return blame(("read at %d"):format(from), text, newest) end
        from = from + bytes
        if from + bytes > (first + HALF) * UNIT then break end
      end
      return true
    end

    while me:running() and not wrong do
      local err
      file, err = me:open("/dev/disk/log/data", "rw")
      if file then
        local good
        if begun then good = look() else good = write_all() end
        while good and me:running() and not wrong do
          good = step()
          me:sleep(range("0ms", "2ms"))
        end
        file:close()
      else
        failed("open", err)
      end
      me:sleep("3ms")
    end
  end
end
s:client("lower", a, keeper(0))
s:client("upper", a, keeper(HALF))

s:when("world.node-down", function() losses = losses + 1 end)
s:every("170ms", function(w)
  w:sleep(range("0ms", "100ms"))
  a:crash()
  w:sleep(range("1ms", "20ms"))
  a:boot()
end)
s:every("90ms", function(w)
  w:sleep(range("0ms", "50ms"))
  a:process("disk0"):kill()
end)
s:every("400ms", function(w)
  w:sleep(range("0ms", "200ms"))
  if log:is_plugged() then log:unplug() end
  losses = losses + 1
  w:sleep(range("1ms", "30ms"))
  log:plug()
end)
s:every("250ms", function(w)
  log:slow { latency = range("1ms", "10ms"), bandwidth = "10Mbit" }
  w:sleep(range("1ms", "50ms"))
  log:slow { latency = range("20us", "400us"), bandwidth = "2Gbit" }
end)

s:always("nothing-wrong", function() return wrong == nil, wrong end)
s:sometimes("looked", function() return recovered > 4 end)
local before
s:eventually("goes-on", function(w)
  before = before or synced
  return a:is_up() and synced > before + 4
end, { within = "10s" })
