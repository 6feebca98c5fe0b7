-- Replace an item of one list by the first of some others that is not in the list; without one its place goes.
-- The list keeps its version, so that any newer one takes its place, and its time to live.
-- KEYS[1] the list. ARGV: how the item's place begins; a field and the value that it must have there ('' and '': any);
-- then for each other item how its place begins, and how it goes on behind the score.
-- Answers which of the others it was, 1 for the first; 0: the item is not there, -1: its place went, -2: the list went.
local list = redis.call('GET', KEYS[1])
local first, last
if list then first, last = place_of(list, ARGV[1]) end
if not first then return 0 end
local place = string.sub(list, first, last)
if not has(place, ARGV[2], ARGV[3]) then return 0 end

local front, back, other, answer = string.sub(list, 1, first - 1), string.sub(list, last + 1), '', -1
for at = 4, #ARGV, 2 do
  if not string.find(list, ARGV[at], 1, true) then
    other = ARGV[at] .. '"score":' .. string.sub(place, value_of(place, 'score')) .. ARGV[at + 1]
    answer = (at - 2) / 2
    break
  end
end
if answer == -1 then
  if string.sub(back, 1, 1) == ',' then
    back = string.sub(back, 2)
  elseif string.sub(front, -1) == ',' then
    front = string.sub(front, 1, -2)
  else
    redis.call('DEL', KEYS[1])  -- nobody is shown an empty list: without one a reader takes the hot list
    return -2
  end
end
redis.call('SET', KEYS[1], front .. other .. back, 'KEEPTTL')
return answer
