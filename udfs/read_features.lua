-- Read the same fields of many hashes in one call.
-- KEYS the hashes; ARGV the fields. Answer one flat list: the fields of the first hash, then of the second, ...
local answer = {}
for _, key in ipairs(KEYS) do
  for _, value in ipairs(redis.call('HMGET', key, unpack(ARGV))) do
    answer[#answer + 1] = value
  end
end
return answer
