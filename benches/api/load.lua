-- What both scripts share: the requests that can be sent, answers by status, and the report at the end.
local shared = {}

-- Read by `done` from each thread, so they are global. A 201 without keys is told from one that has them.
answers = {}
bare = 0
local threads = {}

function setup(thread) threads[#threads + 1] = thread end

-- Token and body of each request, from the file that the first argument names. The second is the seed.
function shared.requests(arguments)
  math.randomseed(tonumber(arguments[2]))
  local requests = {}
  for line in io.lines(arguments[1]) do
    local token, body = line:match("^(%S+) (.*)$")
    local headers = {["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json"}
    requests[#requests + 1] = {headers, body}
  end
  return requests
end

function shared.count(status, body)
  if status == 201 and not body:find('"key_material"', 1, true) then status = "keyless" end
  answers[status] = (answers[status] or 0) + 1
end

function shared.report(summary)
  local errors, bare_sum = summary.errors, 0
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("answers")) do print("answers " .. status .. " " .. count) end
    bare_sum = bare_sum + thread:get("bare")
  end
  print("bare " .. bare_sum)
  print("seconds " .. summary.duration / 1e6)
  print("broken " .. errors.connect + errors.read + errors.write + errors.timeout)
  return threads
end

return shared
