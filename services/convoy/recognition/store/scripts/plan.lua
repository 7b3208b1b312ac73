-- Stands before each script that writes. A script decides first, and writes by its plan last; each step of a plan says how it
-- is taken back. So an error leaves nothing behind, even one that only shows when Redis is asked: a command that the user may
-- not run, a key of another kind.
-- Lua puts at most some 8,000 words into a command.
local AT_ONCE = 1000
local plan = {}

-- back: commands that undo this step, in any order.
local function will(words, back) plan[#plan + 1] = {words = words, back = back or {}} end

-- Runs the plan; gives the error of the step that failed, or nil.
local function make()
  for i, step in ipairs(plan) do
    local reply = redis.pcall(unpack(step.words))
    if type(reply) == 'table' and reply.err then
      for j = i - 1, 1, -1 do
        local back = plan[j].back
        for k = #back, 1, -1 do redis.pcall(unpack(back[k])) end
      end
      -- Redis 6.2 says where in the script it was, and begins an error as on the wire.
      return {err = (string.gsub(string.gsub(reply.err, '^@user_script: ?%d+: ', ''), '^%-', ''))}
    end
  end
end

-- The end of a gallery's history: version, token, version as the head has it, epoch. A stream that is ahead of its head, or a head that is missing, was left
-- by a version of Convoy that could stop half-way: versions go on after both.
local function history(head, changes)
  local last = redis.call('HMGET', head, 'version', 'token', 'epoch')
  local newest = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
  local told = newest and tonumber(string.match(newest[1], '^%d+')) or 0
  return math.max(tonumber(last[1]) or 0, told), last[2] or '', last[1], last[3] or ''
end

-- Wakes whoever follows the gallery. A hint that is lost, or not allowed, does no harm: followers look by themselves too.
local function hint(key) redis.pcall('PUBLISH', 'convoy:changes', string.match(key, '{(.*)}')) end

local function number(value) return string.format('%.0f', value) end

-- Moves the head. before: version and token as they were, nil where there was none.
local function will_move(head, version, token, had, parent)
  local back = had and {'HSET', head, 'version', had, 'token', parent} or {'HDEL', head, 'version', 'token'}
  will({'HSET', head, 'version', number(version), 'token', token}, {back})
end

-- Appends an entry. It comes after all other steps: a stream takes no entry back.
local function will_tell(changes, version, token, parent, note)
  will({'XADD', changes, number(version) .. '-0', 'token', token, 'parent', parent, unpack(note)})
end

-- Takes the index of names and faces along from one version to another. `found` of the head says up to which version it is
-- whole, and who builds it, if anybody does; a change made by an earlier version of Convoy leaves it behind.
local function will_keep_found(head, before, version)
  local had = redis.call('HGET', head, 'found')
  local at, builder = string.match(had or '', '^(%d+)(.*)$')
  if at == number(before) then
    will({'HSET', head, 'found', number(version) .. builder}, {{'HSET', head, 'found', had}})
  end
end
