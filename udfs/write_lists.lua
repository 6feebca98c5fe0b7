-- Write lists, each only if it is at least as new as the one that stands there.
-- KEYS the lists' keys; ARGV for each key: as-of time, sequence, seconds to live (0: for ever), the list.
-- A list is JSON that begins with its version: {"version":"<as-of>-<sequence>", ...
local answers = {}
for i, key in ipairs(KEYS) do
  local at = 4 * (i - 1)
  local as_of, sequence = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local old_as_of, old_sequence = string.match(redis.call('GETRANGE', key, 0, 63), '^{"version":"(%-?%d+)%-(%d+)"')
  local newer = true
  if old_as_of then
    old_as_of = tonumber(old_as_of)
    newer = as_of > old_as_of or (as_of == old_as_of and sequence >= tonumber(old_sequence))
  end
  if newer then
    if ARGV[at + 3] == '0' then
      redis.call('SET', key, ARGV[at + 4])
    else
      redis.call('SET', key, ARGV[at + 4], 'EX', ARGV[at + 3])
    end
  end
  answers[i] = newer and 1 or 0
end
return answers
