-- revoke.lua: a private file server is killed or unmounted under the readers of its files. An open file of it then says so,
-- at once; it never hangs and never shows another file's bytes.
local s = scenario("revoke", { about = "what is taken away answers an error", lasts = "400ms" })

local a = s:node("a", { cores = range(1, 3) })
s:faults { allow = { "cpu.steal", "irq.*", "timer.late" }, intensity = range(1, 3) }

local gone, served = 0, 0
s:client("user", a, function(me)
  for _ = 1, 12 do
    local line = [[
      mount ramfs /mnt
      echo %s > /mnt/f
      exec 3</mnt/f
      unmount /mnt
      read line <&3 && echo "got $line"
      cat /mnt/f 2>/dev/null || echo gone
      exec 3<&-]]
    local done = me:run("ns -n fsh -c '" .. line:format(me.name) .. "'")
    assert(done.status == 0, "the shell ended with " .. done.status .. ": " .. done.output)
    assert(done.output:find("gone"), "the file is still there: " .. done.output)
    local got = done.output:match("got (%S+)")
    assert(got == nil or got == me.name, "another one's bytes: " .. done.output)
    if got then served = served + 1 end
    gone = gone + 1
    me:sleep(range("5ms", "40ms"))
  end
end, { count = 3 })

s:sometimes("read-after-unmount", function(w) return served > 0 end)
