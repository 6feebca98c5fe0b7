-- Write rows of trends, each only if it is at least as new as what stands there, and members of sets.
--
-- ARGV   seconds to live (0: for ever), then for each value in turn:
--          key of the row, as-of time, 'row', count, the row
--          member, score, 'member', capacity of the set
-- KEYS   for each value in turn: the trend's sorted set, and for a row the place of the row
-- Answer one number a value: 1 written, 0 refused because a newer version stands there, or an earlier score.
--
-- A row is JSON that begins with its version: {"version":"<as-of>-<count>", ... An equal one is written again.
-- The sorted set of a trend of rows holds the rows' keys in the order of their last change: whoever remembers a score reads
-- what has changed since. A score is the server's time in microseconds, or one more than the newest: so it grows even when
-- the server has lost its data. Other sets are capped at their capacity: the lowest scores go.
local ttl = ARGV[1]
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local answers, newest = {}, {}

local function is_newer(place, as_of, count)
  local old_as_of, old_count = string.match(redis.call('GETRANGE', place, 0, 63), '^{"version":"(%-?%d+)%-(%d+)"')
  if not old_as_of then return true end
  local was, is = tonumber(old_as_of), tonumber(as_of)
  return is > was or (is == was and tonumber(count) >= tonumber(old_count))
end

local function next_change(set)
  local before = newest[set] or tonumber(redis.call('ZREVRANGE', set, 0, 0, 'WITHSCORES')[2] or 0)
  newest[set] = math.max(before + 1, clock)
  return newest[set]
end

local function write_row(set, place, key, as_of, count, row)
  if not is_newer(place, as_of, count) then return 0 end
  if ttl == '0' then redis.call('SET', place, row) else redis.call('SET', place, row, 'EX', ttl) end
  redis.call('ZADD', set, string.format('%.0f', next_change(set)), key)
  return 1
end

local function write_member(set, member, score, capacity)
  local written = redis.call('ZADD', set, 'LT', 'CH', score, member)
  redis.call('ZREMRANGEBYRANK', set, 0, -tonumber(capacity) - 1)
  return written
end

local key, arg = 1, 2
while ARGV[arg] do
  local set = KEYS[key]
  if ARGV[arg + 2] == 'row' then
    answers[#answers + 1] = write_row(set, KEYS[key + 1], ARGV[arg], ARGV[arg + 1], ARGV[arg + 3], ARGV[arg + 4])
    key, arg = key + 2, arg + 5
  else
    answers[#answers + 1] = write_member(set, ARGV[arg], ARGV[arg + 1], ARGV[arg + 3])
    key, arg = key + 1, arg + 4
  end
  if ttl ~= '0' then redis.call('EXPIRE', set, ttl) end
end
return answers
