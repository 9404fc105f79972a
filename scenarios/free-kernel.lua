-- free-kernel.lua: the kernel's own work takes no time, so what ends on one core and what begins on another meet to the
-- nanosecond. The budget of a realm on several cores still adds up, and it gets no more than its half of one core.
local s = scenario("free-kernel", { about = "budgets add up where times meet", lasts = "300ms" })
s:costs { syscall = 0, thread_switch = 0, sc_switch = 0, signal = 0, schedule = 0, irq_entry = 0, slow_send = 0,
          slow_receive = 0, cap_transfer = 0, unit_delete = 0, unit_zero = 0, ipi_latency = 0, steal = 0 }

local a = s:node("a", { cores = range(2, 3) })
local share
s:client("greedy", a, function(me)
  me:run("realm make half; realm limit half cpu 50%")
  local before = me:now()
  for i = 1, 4 do me:run("realm run half spin > /dev/null 2>&1 &") end
  me:sleep("200ms")
  local usage = me:run("cat /realm/child/half/usage").output
  share = tonumber(usage:match("cpu (%d+)")) * 100 // (me:now() - before)
  assert(share <= 60, "the realm got " .. share .. " % of a core: " .. usage)
  me:run("realm kill half")
end)

s:invariants { names = { "kernel.budgets" }, cadence = "every 500" }
s:eventually("is-measured", function(w) return share ~= nil and share > 0 end, { within = "10s" })
