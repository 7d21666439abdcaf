-- wrk's side of the benchmarks of servers: POST the bodies of a file in turns, print the outcome as JSON. With a
-- second argument, so many requests a second leave, each on a connection that is free then.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *);")
local MONOTONIC = ffi.os == "OSX" and 6 or 1
local bodies, place, threads, clock = {}, 0, {}, ffi.new("moment")
-- Answers of 503 that say when to ask again; counted only where a rate is kept.
shed = 0

local function microseconds()
  ffi.C.clock_gettime(MONOTONIC, clock)
  return tonumber(clock.s) * 1e6 + tonumber(clock.ns) / 1e3
end

local function keep_rate(per_second)
  local due = microseconds()
  function delay()
    local now = microseconds()
    -- What is late is not made up for: no burst follows.
    due = math.max(due + 1e6 / per_second, now)
    return (due - now) / 1e3
  end
  function response(status, headers)
    if status == 503 and headers["retry-after"] then
      shed = shed + 1
    end
  end
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for body in io.lines(arguments[1]) do
    bodies[#bodies + 1] = wrk.format(nil, nil, nil, body)
  end
  if arguments[2] then
    keep_rate(tonumber(arguments[2]))
  end
end

function request()
  place = place % #bodies + 1
  return bodies[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'OUTCOME {"requests": %d, "seconds": %f, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f, "errors": %d, "shed": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, threads[1]:get("shed")))
end
