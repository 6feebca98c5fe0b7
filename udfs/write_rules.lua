-- Let rules act for users, each only if it did not fire later than this already.
-- KEYS the users' hashes; ARGV for each key: rule, since, until, the trigger.
-- A trigger is JSON that begins with its times: {"since":<ms>,"until":<ms>, ... A hash lives until its last rule is over.
-- Answer one number a key: 1 written, 0 refused because the rule fired later. An equal one is a replay and written again.
local answers = {}
for i, key in ipairs(KEYS) do
  local at = 4 * (i - 1)
  local rule, since, last = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local standing = redis.call('HGET', key, rule) or ''
  local before = tonumber(string.match(standing, '^{"since":(%d+),'))
  local newer = not before or since >= before
  if newer then
    redis.call('HSET', key, rule, ARGV[at + 4])
    for _, other in ipairs(redis.call('HVALS', key)) do
      last = math.max(last, tonumber(string.match(other, '^{"since":%d+,"until":(%d+)')) or 0)
    end
    redis.call('PEXPIREAT', key, string.format('%.0f', last))
  end
  answers[i] = newer and 1 or 0
end
return answers
