-- What the scripts that edit one place of a stored list share. A list is edited as text: Lua's JSON would turn an empty
-- array into an object and 1.0 into 1. Within a JSON text every quote is escaped, so a place is found by its first bytes.

-- Return the position of the quote that ends the text which begins with a quote at `at`.
local function text_end(list, at)
  repeat
    at = string.find(list, '["\\]', at + 1)
    if not at then return nil end
    local is_quote = string.byte(list, at) == 34
    if not is_quote then at = at + 1 end
  until is_quote
  return at
end

-- Return the first and the last position of the place that begins with some bytes, `{"item_id":"...",`; nil without one.
local function place_of(list, begins)
  local first = string.find(list, begins, 1, true)
  local next_place = first and string.find(list, '},{"item_id":"', first + #begins, true)
  if next_place then return first, next_place end
  local at, depth = first and first + #begins, 1
  while at do
    at = string.find(list, '["{}]', at)
    local sign = at and string.byte(list, at)
    if sign == 34 then
      at = text_end(list, at)
    elseif sign then
      depth = depth + (sign == 123 and 1 or -1)
      if depth == 0 then return first, at end
    end
    at = at and at + 1
  end
  return nil
end

-- Return the first and the last position of a field's value, a text or a bare word, in a place; nil without that field.
local function value_of(place, field)
  local _, before = string.find(place, '"' .. field .. '":', 1, true)
  if not before then return nil end
  if string.byte(place, before + 1) == 34 then return before + 1, text_end(place, before + 1) end
  local _, last = string.find(place, '^[^,} ]+', before + 1)
  return before + 1, last
end

-- Whether a place has the value in the field; any value will do where none is asked for.
local function has(place, field, value)
  if field == '' then return true end
  local first, last = value_of(place, field)
  return first and string.sub(place, first, last) == value
end

-- Put a text in the place of a part of a list, which keeps its time to live. A shorter one is filled up with blanks, which
-- JSON allows: so only this part is written, to the server's log too, and not the whole list. The blanks come before the
-- last sign of a place, so that places still follow each other without any.
local function put(key, list, first, last, text)
  local blanks = last - first + 1 - #text
  if #text > 0 and blanks >= 0 then
    local signs = string.sub(text, -1) == '}' and 1 or 0
    local filled = string.sub(text, 1, #text - signs) .. string.rep(' ', blanks) .. string.sub(text, #text - signs + 1)
    redis.call('SETRANGE', key, first - 1, filled)
  else
    redis.call('SET', key, string.sub(list, 1, first - 1) .. text .. string.sub(list, last + 1), 'KEEPTTL')
  end
end
