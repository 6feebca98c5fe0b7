-- Read the same fields of many hashes in one call.
-- KEYS the hashes; ARGV the fields, the first of which every entity of the view has.
-- Answer one flat list: for each hash that has them its place in KEYS, from 0, then its fields. Most of what is asked for
-- is often not there, and this way it costs neither a reply nor its reading.
local answer = {}
for at, key in ipairs(KEYS) do
  local values = redis.call('HMGET', key, unpack(ARGV))
  if values[1] then
    answer[#answer + 1] = at - 1
    for _, value in ipairs(values) do
      answer[#answer + 1] = value
    end
  end
end
return answer
