-- ramfs-register.lua: three clients write and read the files of one memory server while processors are stolen and timers
-- are late. Whatever the interleaving, each file behaves as one register: reads see the last write.
local s = scenario("ramfs-register", { about = "files in memory are linearizable registers", lasts = "300ms" })

local a = s:node("a", { cores = range(1, 4) })
s:faults { allow = { "cpu.*", "timer.*", "irq.*" }, intensity = range(1, 3) }

local notes = s:history("notes", { model = "register", per = "path" })
s:client("client", a, function(me)
  while me:running() do
    local path = "/tmp/" .. me:pick { "x", "y" }
    if me:chance(1, 2) then
      local text = ("%-16s"):format(me:unique())  -- of one length: a shorter text over a longer leaves its end
      notes:write(me, path, text, function() return me:write(path, text) end)
    else
      -- A file is made empty before it is written: what is read is the old text, nothing, or the new one.
      notes:read(me, path, function()
        local text, err = me:read(path)
        if text == "" then return nil, { unknown = true } end
        if err and err.code == "not found" then return nil end
        return text, err
      end)
    end
    me:sleep(range("100us", "5ms"))
  end
end, { count = 3 })

s:sometimes("struck", "inject.fired")
s:eventually("all-go-on", function(w)
  for i = 1, 3 do
    if notes:count("client-" .. i, "ok", "liveness") == 0 then return false end
  end
  return true
end, { within = "20s" })
s:finally(function(w)
  notes:check { linearizable = true }
end)
