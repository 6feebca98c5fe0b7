-- Write entities' feature values, each only if it is at least as new as what stands there.
--
-- KEYS   the hashes of the entities
-- ARGV   seconds to live (0: for ever); then for each key in turn:
--        version field, as-of time, sequence, count of the fields and values that follow, the fields and values
-- Answer one number a key: 1 written, 0 refused because a newer version stands there.
--
-- A version is "<as-of>-<sequence>", ordered as two numbers. An equal one is written again: it is a replay of the same
-- values. What is no version counts as none. Script and hash live on one server, so nothing comes between the look and the write.
local answers = {}
local at = 2
for i, key in ipairs(KEYS) do
  local version_field, as_of, sequence, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local standing = redis.call('HGET', key, version_field) or ''
  local old_as_of, old_sequence = string.match(standing, '^(-?%d+)-(%d+)$')
  local newer = true
  if old_as_of then
    local was, is = tonumber(old_as_of), tonumber(as_of)
    newer = is > was or (is == was and tonumber(sequence) >= tonumber(old_sequence))
  end
  if newer then
    redis.call('HSET', key, version_field, as_of .. '-' .. sequence, unpack(ARGV, at + 4, at + 3 + count))
    if ARGV[1] ~= '0' then redis.call('EXPIRE', key, ARGV[1]) end
  end
  answers[i] = newer and 1 or 0
  at = at + 4 + count
end
return answers
