-- Set a field of an item's place in one list, which keeps its version and its time to live.
-- KEYS[1] the list. ARGV: how the item's place begins; a field and the value that it must have there ('' and '': any);
-- the field to set, and its value.
-- Answers 1 if the list was changed, else 0.
local list = redis.call('GET', KEYS[1])
local first, last
if list then first, last = place_of(list, ARGV[1]) end
if not first then return 0 end
local place = string.sub(list, first, last)
if not has(place, ARGV[2], ARGV[3]) then return 0 end
local from, to = value_of(place, ARGV[4])
if not from or string.sub(place, from, to) == ARGV[5] then return 0 end
put(KEYS[1], list, first + from - 1, first + to - 1, ARGV[5])
return 1
