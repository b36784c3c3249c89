-- Each connection sends as soon as it is answered. wrk's own histogram counts in what it could not send meanwhile.
local shared = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua")
local requests

function init(arguments)
  requests = shared.requests(arguments)
  for place, each in ipairs(requests) do requests[place] = wrk.format("POST", "/sessions", each[1], each[2]) end
end

function request() return requests[math.random(#requests)] end

function response(status, _, body) shared.count(status, body) end

function done(summary, latency)
  shared.report(summary)
  for place = 1, #latency do
    local latency_us, count = latency(place)
    print("answer 201 " .. latency_us .. " " .. count)
  end
end
