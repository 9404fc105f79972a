-- The programs of programs.lona in Lua, where it has the means.
local programs = {}

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end
programs.fib = fib

local function tak(x, y, z)
  if y < x then return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) end
  return z
end
function programs.tak(n) return tak(3 * n, 2 * n, n) end

function programs.nested_loop(n)
  local sum = 0
  for _ = 1, n do
    for _ = 1, n do
      for _ = 1, n do sum = sum + 1 end
    end
  end
  return sum
end

local function safe(column, placed, count)
  for i = 1, count do
    local other, distance = placed[i], count + 1 - i
    if other == column or other == column + distance or other == column - distance then return false end
  end
  return true
end
local function solutions(row, n, placed)
  if row == 0 then return 1 end
  local found, count = 0, n - row
  for column = n, 1, -1 do
    if safe(column, placed, count) then
      placed[count + 1] = column
      found = found + solutions(row - 1, n, placed)
    end
  end
  return found
end
function programs.queens(n) return solutions(n, n, {}) end

local function numbers_to(n)
  local out = {}
  for i = 1, n do out[#out + 1] = i end
  return out
end
function programs.build_and_fold(n)
  local function fold(f, sum, list)
    for _, x in ipairs(list) do sum = f(x, sum) end
    return sum
  end
  return fold(function(x, sum) return x + sum end, 0, numbers_to(n))
end
function programs.build_and_map(n)
  local function map(f, list)
    local out = {}
    for i, x in ipairs(list) do out[i] = f(x) end
    return out
  end
  return map(function(x) return x + 1 end, numbers_to(n))[1]
end

function programs.puts_and_gets(n)
  local map, sum = {}, 0
  for i = 0, n - 1 do map[i * 7] = i end
  for i = 0, n - 1 do sum = sum + map[i * 7] end
  return sum
end

function programs.join_numbers(n) return #table.concat(numbers_to(n), ",") end

function programs.binary_parse(n)
  local bytes, sum, at = string.pack(">I4I4I4I4", 1, 0x12345678, 512, 0xFF0000FF):rep(1 << n), 0, 1
  while at <= #bytes do
    local x
    x, at = string.unpack(">I4", bytes, at)
    sum = sum + x
  end
  return sum
end

local name, times = arg[1], tonumber(arg[2])
local sizes = {}
for i = 3, #arg do sizes[#sizes + 1] = tonumber(arg[i]) end
local answer = 0
for _ = 1, times do answer = programs[name](table.unpack(sizes)) end
print(answer)
