-- Read the same fields of many hashes in one call.
-- KEYS the hashes; ARGV the fields, the first of which every entity of the view has.
-- Answer one flat list: for each hash that has them its place in KEYS, from 0, then its fields.
local answer, count = {}, 0
for at, key in ipairs(KEYS) do
  local values = redis.call('HMGET', key, unpack(ARGV))
  if values[1] then
    answer[count + 1] = at - 1
    for place, value in ipairs(values) do
      answer[count + 1 + place] = value
    end
    count = count + 1 + #ARGV
  end
end
return answer
