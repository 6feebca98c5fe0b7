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

for at = 4, #ARGV, 2 do
  if not string.find(list, ARGV[at], 1, true) then
    put(KEYS[1], list, first, last, ARGV[at] .. '"score":' .. string.sub(place, value_of(place, 'score')) .. ARGV[at + 1])
    return (at - 2) / 2
  end
end

if string.byte(list, last + 1) == 44 then
  last = last + 1
elseif string.byte(list, first - 1) == 44 then
  first = first - 1
else
  redis.call('DEL', KEYS[1])  -- nobody is shown an empty list: without one a reader takes the hot list
  return -2
end
put(KEYS[1], list, first, last, '')
return -1
