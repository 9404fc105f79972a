-- console-resize.lua: a terminal that changes its size, sends rubbish and pastes while somebody types. The shell stays, and
-- a line typed after the storm is done as it was typed.
local s = scenario("console-resize", { about = "no terminal brings the shell down", lasts = "2s", liveness = "30s" })

local a = s:node("a")
local console = a:console { columns = 80, rows = 25 }
s:faults { allow = { "console.resize", "console.garbage", "console.burst", "console.interrupt" }, intensity = range(3, 4) }

local function type_if_there_is_room(text)
  pcall(function() console:type(text) end)   -- what is pasted may fill all that a terminal holds for its reader
end

s:every("200ms", function(w)
  type_if_there_is_room(math.random(2) == 1 and "ls /bin | head -n 3\n" or "echo $COLUMNS\n")
end)

local answered = false
s:at("2s", function(w)             -- the storm is over
  for _ = 1, 10 do
    type_if_there_is_room("\3")    -- Ctrl-C: whatever stands on the line is dropped
    w:sleep("100ms")
    type_if_there_is_room("echo calm-$((40 + 2))\n")
    answered = console:expect("calm-42", { within = "2s" }) ~= nil
    if answered then break end
  end
end)
s:never("shell-ended", "world.node-down")
s:eventually("answers", function(w) return answered end, { within = "28s" })
