-- files.lua: everything that a client can do with files, on a node with what a file can give it.
local s = scenario("files", { about = "what a client can do", lasts = "300ms", warmup = "200ms", steps_max = 5000000 })
s:costs { syscall = 200 }
s:quantum("2ms")

local a = s:node("a", { cores = range(1, 2), tags = { "files" } })
a:file("/etc/greeting", "hello\n")
a:supervise("scratch", { program = "ramfs", args = { "--mode", "1777" }, srv = "scratch", mount = "/mnt", settle = "1s" })
a:spawn { program = "echo", args = { "spawned" } }

local helper = use("helper.lua")
local done = 0

s:client("worker", a, function(me)
  local function must(value, err) return assert(value, err and err.code .. " " .. err.detail) end
  must(me:write("/home/x", "one"))
  must(me:append("/home/x", " two", { sync = true }))
  assert(me:read("/home/x") == "one two")
  must(me:mkdir("/home/d"))
  must(me:create("/home/d/n", "new"))
  must(me:rename("/home/d/n", "/home/d/m"))
  assert(table.concat(me:list("/home/d"), " ") == "m" and me:stat("/home/d/m").size == 3)
  must(me:remove("/home/d/m"))
  local file = must(me:open("/home/x", "rw"))
  assert(file:read(3) == "one" and file:write("X") and file:seek(0) and file:read() == "oneXtwo" and file:close())
  local ran = must(me:run("cat /etc/greeting; exit 3"))
  assert(ran.status == 3 and ran.output == "hello\n")
  must(me:write("/mnt/scratch", me:unique()))
  local picked, below = me:pick { 1, 2, 3 }, me:below(3)
  assert(picked >= 1 and picked <= 3 and below >= 0 and below < 3 and me:chance(3, 3))
  assert(me.name == "worker" and me.node == a and me.node.name == "a" and me:now() > 0)
  me:note("done at " .. helper.milliseconds(me:now()) .. " ms")
  done = done + 1
  while me:running() do me:sleep(one_of { "5ms", "10ms" }) end
end)

s:finally(function(w) assert(done == 1) end)
