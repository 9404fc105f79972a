-- namespaces.lua: names are bound, mounted and taken away again by several shells at once, each in a namespace of its own.
-- What one does to its names is nobody else's.
local s = scenario("namespaces", { about = "a namespace is its process's own", lasts = "500ms" })

local a = s:node("a", { cores = range(1, 3) })
s:faults { allow = { "cpu.steal", "cpu.throttle", "timer.*" }, intensity = range(1, 3) }

local rounds = 0
s:client("binder", a, function(me)
  me:mkdir("/tmp/" .. me.name)
  me:write("/tmp/" .. me.name .. "/who", me.name)
  while me:running() do
    local line = "bind /tmp/%s /mnt && cat /mnt/who && unmount /mnt && ls /mnt | wc -l"
    if me:chance(1, 3) then line = "mount tmp /mnt && cat /mnt/%s/who && unmount /mnt && ls /mnt | wc -l" end
    local done = me:run("ns -n fsh -c '" .. line:format(me.name) .. "'")
    assert(done.output == me.name .. "0\n" or done.output:match("^" .. me.name:gsub("%-", "%%-") .. "%s*0\n$"),
      me.name .. " saw " .. done.output)
    rounds = rounds + 1
    me:sleep(range("5ms", "40ms"))
  end
end, { count = 3 })

s:eventually("goes-on", function(w) return rounds > 3 end, { within = "20s" })
