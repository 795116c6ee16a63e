-- Requests for wrk. LOAD_* in the environment say which; each thread makes its own.
local kind = os.getenv("LOAD_KIND")
local path = os.getenv("LOAD_PATH")
local practitioners = tonumber(os.getenv("LOAD_PRACTITIONERS") or "1")
local users = tonumber(os.getenv("LOAD_USERS") or "1")
local guests = tonumber(os.getenv("LOAD_GUESTS") or "1")
local threads = tonumber(os.getenv("LOAD_THREADS") or "1")
local base = tonumber(os.getenv("LOAD_BASE") or "0")
local dates, times = {}, {}
local made = 0

for date in (os.getenv("LOAD_DATES") or ""):gmatch("[^,]+") do dates[#dates + 1] = date end
if os.getenv("LOAD_DATES_FILE") then
  for date in io.lines(os.getenv("LOAD_DATES_FILE")) do dates[#dates + 1] = date end
end
for i = 0, 15 do
  times[i] = string.format("%02d:%02d", 9 + math.floor(i / 2), i % 2 * 30)
end

local head = " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
local make = {}

function make.plain()
  return "GET " .. path .. head .. "\r\n"
end

function make.options()
  return "OPTIONS " .. path .. head .. "\r\n"
end

function make.availability()
  return "GET " .. path .. "/practitioners/" .. math.random(practitioners) ..
         "/availability?date=" .. dates[math.random(#dates)] .. head .. "\r\n"
end

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 3, 0, -1 do
      local at = math.floor(n / 64 ^ k) % 64
      out[#out + 1] = (k < 2 and not (k == 1 and b or c)) and "=" or digits:sub(at + 1, at + 1)
    end
  end
  return table.concat(out)
end

function make.visits()
  local user = "user-" .. math.random(users)
  return "GET " .. path .. "/users/" .. user .. "/appointments" .. head ..
         "Authorization: Basic " .. base64(user .. ":x") .. "\r\n\r\n"
end

-- The n-th slot: all practitioners at one time, then the next time, then the next day. The n-th
-- visit is the (n % guests)-th guest's, who is back long after the visit before.
function make.booking()
  local n = base + made * threads + index
  local guest = n % guests
  local time = math.floor(n / practitioners)
  made = made + 1
  local body = '{"practitionerId":' .. n % practitioners + 1 ..
    ',"date":"' .. dates[math.floor(time / 16) % #dates + 1] .. '","time":"' .. times[time % 16] ..
    '","sessionType":"video","userName":"Guest Number ' .. guest ..
    '","userEmail":"guest' .. guest .. '@example.org"}'
  return "POST " .. path .. "/appointments" .. head .. "Content-Type: application/json\r\n" ..
         "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local started = 0
function setup(thread)
  thread:set("index", started)
  started = started + 1
end

function init(args)
  math.randomseed(os.time() * 7919 + index * 104729 + base)
end

request = make[kind]

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, ' ..
    '"max_ms": %.3f, "bad_status": %d, "socket_errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, e.status,
    e.connect + e.read + e.write + e.timeout))
end
