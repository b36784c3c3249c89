-- Requests are sent at a fixed rate, whatever becomes of them, as long as a connection is free.
-- wrk can't tell latencies by status, nor which answer is whose. So each request carries the time it is sent as its
-- trace id, which the service repeats in its answer.
local ffi = require("ffi")
local shared = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua")
local requests, interval_us, due_us
local MARK = "0000000000000000"
local RESOLUTION_US = 100
-- What fell due longer ago than this, while no connection was free, is not made up for: it would be another rate.
local CATCH_UP_US = 100000
local STATUS = 1e9 -- times the status, plus the latency: one number as a key, for `thread:get` copies those

places = {}

ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } time_of_clock;
  int clock_gettime(int clock, time_of_clock *now);
]]
local clock = ffi.new("time_of_clock")
local MONOTONIC = 1

local function now_us()
  ffi.C.clock_gettime(MONOTONIC, clock)
  return tonumber(clock.seconds) * 1e6 + math.floor(tonumber(clock.nanoseconds) / 1e3)
end

function init(arguments)
  interval_us = tonumber(arguments[3])
  requests = shared.requests(arguments)
  for place, each in ipairs(requests) do
    each[1].traceparent = "00-1" .. MARK:sub(2) .. MARK .. "-1" .. MARK:sub(2) .. "-00"
    local text = wrk.format("POST", "/sessions", each[1], each[2])
    local at = text:find("1" .. MARK:sub(2) .. MARK, 1, true) + #MARK
    requests[place] = {text:sub(1, at - 1), text:sub(at + #MARK)}
  end
end

-- Milliseconds until a connection that is free may send. All share one schedule.
function delay()
  local now = now_us()
  due_us = (due_us or now) + interval_us
  if due_us < now - CATCH_UP_US then due_us = now end
  return math.max(0, math.floor((due_us - now) / 1e3))
end

function request()
  local each = requests[math.random(#requests)]
  return each[1] .. string.format("%016x", now_us()) .. each[2]
end

function response(status, headers, body)
  shared.count(status, body)
  if (status == 503 or status == 429) and not (headers["retry-after"] or headers["Retry-After"]) then
    bare = bare + 1
  end
  local trace = headers["traceparent"] or headers["Traceparent"]
  local sent_us = trace and tonumber(trace:sub(20, 35), 16)
  if sent_us then
    local latency_us = math.floor((now_us() - sent_us) / RESOLUTION_US + 0.5) * RESOLUTION_US
    local place = status * STATUS + latency_us
    places[place] = (places[place] or 0) + 1
  end
end

function done(summary)
  for _, thread in ipairs(shared.report(summary)) do
    for place, count in pairs(thread:get("places")) do
      local status = math.floor(place / STATUS)
      print("answer " .. status .. " " .. string.format("%d", place - status * STATUS) .. " " .. count)
    end
  end
end
