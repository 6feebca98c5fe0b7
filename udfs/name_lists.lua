-- Put lists into sets, or take them out of sets.
-- KEYS the sets; ARGV[1] SADD or SREM; ARGV[2] when the sets go, in seconds since 1970 (0: never); then for each set how
-- many lists, and their names.
local at = 3
for _, key in ipairs(KEYS) do
  local last = at + tonumber(ARGV[at])
  for from = at + 1, last, 1000 do  -- Lua passes some thousand arguments at most
    redis.call(ARGV[1], key, unpack(ARGV, from, math.min(from + 999, last)))
  end
  if ARGV[1] == 'SADD' and ARGV[2] ~= '0' then redis.call('EXPIREAT', key, ARGV[2]) end
  at = last + 1
end
return #KEYS
