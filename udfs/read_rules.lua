-- Read the rules that act for users. KEYS the users' hashes.
-- Answer one list for each hash that is there: its place in KEYS, from 0, then its triggers.
local answer = {}
for at, key in ipairs(KEYS) do
  local triggers = redis.call('HVALS', key)
  if #triggers > 0 then
    answer[#answer + 1] = {at - 1, unpack(triggers)}
  end
end
return answer
