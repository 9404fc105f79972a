-- disk-register.lua: two clients write and read one register at the start of a disk; now and then one syncs. The node loses
-- its power again and again: what was not synced may be gone then, what was is not.
local s = scenario("disk-register", { about = "a sync is kept", lasts = "400ms", warmup = "300ms" })
local a = s:node("a", { disks = { s:disk("d", { size = "64KiB", latency = range("20us", "200us") }) } })
local h = s:history("h", { model = "register", buffered = true })

s:client("c", a, function(me)
  local file = assert(me:open("/dev/disk/d/data", "rw"))
  while me:running() do
    local what = me:below(16)
    if what == 0 then
      h:call(me, "sync", function() return file:sync() end)
    elseif what < 8 then
      local text = ("%-32s"):format(me:unique())
      h:write(me, text, function()
        file:seek(0)
        local ok, err = file:write(text)
        if ok and what == 1 then ok, err = file:sync() end  -- this write is durable when it is answered
        return ok, err
      end)
    else
      h:read(me, function()
        file:seek(0)
        local text, err = file:read(32)
        if text and text:byte(1) == 0 then return nil end  -- nothing was written yet
        return text, err
      end)
    end
    me:sleep(range("0ms", "2ms"))
  end
end, { count = 2 })

s:every("80ms", function(w)
  w:sleep(range("0ms", "20ms"))
  a:crash()
  w:sleep("5ms")
  a:boot()
end)
s:sometimes("synced", function() return h:count("", "ok") > 100 end)
s:finally(function() h:check() end)
