-- The sessions of every running server: how each stands, and where its updates go.
local M = {}

---@class hermitcrab.Session
---@field id string
---@field client_id integer
---@field state 'idle'|'running'|'requires_action'
---@field turn? string the running turn, or the last one
---@field mode? string
---@field model? string
---@field title? string
---@field used? integer tokens in the context
---@field size? integer tokens it can hold
---@field doing? string what it is at: the title of the last tool call
---@field changed table<string, boolean> the files this turn changed; whether they are saved

---@type table<string, hermitcrab.Session>
local sessions = {}
---@type string?
local current
---@type table<integer, table> what each server last said of itself
local servers = {}

--- A field of a message: JSON's null is nil here.
local function value(field)
  return field ~= vim.NIL and field or nil
end

--- Returns a session, made at its first mention.
---@param id string
---@param client_id integer
---@return hermitcrab.Session
function M.get(id, client_id)
  sessions[id] = sessions[id] or { id = id, client_id = client_id, state = 'idle', changed = {} }
  sessions[id].client_id = client_id
  return sessions[id]
end

--- Returns the session the user is in: the last one that was begun, prompted or opened.
---@return hermitcrab.Session?
function M.current()
  return current and sessions[current] or nil
end

--- Makes a session the one the user is in.
---@param id string
---@param client_id integer
---@return hermitcrab.Session
function M.choose(id, client_id)
  current = id
  return M.get(id, client_id)
end

--- Notes what `session/new` and `session/load` answer.
---@param client vim.lsp.Client
---@param result table
---@return hermitcrab.Session
function M.opened(client, result)
  local session = M.choose(result.sessionId, client.id)
  session.model = value(result.model) or session.model
  session.mode = vim.tbl_get(result, 'modes', 'currentModeId') or session.mode
  session.modes = vim.tbl_get(result, 'modes', 'availableModes') or session.modes
  return session
end

local function redraw_status()
  vim.schedule(function()
    vim.cmd.redrawstatus({ bang = true })
  end)
end

--- How a turn ended, in words for the user; nothing when it simply ended.
---@type table<string, string>
local endings = {
  cancelled = 'cancelled',
  refusal = 'the model refused',
  max_tokens = 'the answer was cut at the model\'s limit',
  max_turn_requests = 'stopped after too many steps',
}

--- What the user sees of a turn that went well while the chat is closed.
---@param session hermitcrab.Session
---@return string
local function changes(session)
  local names = {}
  for path, saved in vim.spairs(session.changed) do
    names[#names + 1] = vim.fn.fnamemodify(path, ':t') .. (saved and '' or ' (not saved)')
  end
  local words = #names > 0 and 'changed ' .. table.concat(names, ', ') or 'done, nothing changed'
  return words .. ' · :Hermitcrab chat tells more'
end

---@param session hermitcrab.Session
---@param update table
local function on_state(session, update)
  local was = session.state
  session.state = update.state
  session.turn = value(update.turnId) or session.turn
  if was == 'idle' then
    session.changed = {}
  end
  if update.state ~= 'idle' or was == 'idle' then
    return
  end
  session.doing = nil
  local reason = value(update.stopReason)
  local well = reason == nil or reason == 'end_turn'
  if not require('hermitcrab.chat').is_visible(session.id) then
    local words = value(update.message) or endings[reason] or changes(session)
    require('hermitcrab').notify(words, well and vim.log.levels.INFO or vim.log.levels.WARN)
  end
end

---@param session hermitcrab.Session
---@param update table
local function on_tool(session, update)
  session.doing = value(update.title) or session.doing
  for _, content in ipairs(value(update.content) or {}) do
    if content.type == 'diff' then
      session.changed[content.path] = vim.tbl_get(update, 'rawOutput', 'saved') == true
    end
  end
end

---@type table<string, fun(session: hermitcrab.Session, update: table)>
local notes = {
  state_update = on_state,
  current_mode_update = function(session, update)
    session.mode = update.currentModeId
  end,
  usage_update = function(session, update)
    session.used = value(update.used) or session.used
    session.size = value(update.size) or session.size
    session.model = value(update.model) or session.model
  end,
  session_info_update = function(session, update)
    session.title = update.title
  end,
  tool_call = on_tool,
  tool_call_update = on_tool,
}

--- `hermitcrab/session/update`: one piece of news of one session.
function M.on_update(_, params, ctx)
  local session = M.get(params.sessionId, ctx.client_id)
  current = current or session.id
  local update = params.update
  local kind = update.sessionUpdate
  local note = notes[kind]
  if note then
    note(session, update)
    redraw_status()
  end
  require('hermitcrab.permission').on_update(session.id, update)
  require('hermitcrab.chat').on_update(session, update)
end

--- `hermitcrab/status`: how the server stands.
function M.on_status(_, params, ctx)
  servers[ctx.client_id] = params
  redraw_status()
end

--- A server is gone: what ran there runs no longer.
---@param code integer
---@param signal integer
---@param client_id integer
function M.on_exit(code, signal, client_id)
  vim.schedule(function()
    servers[client_id] = nil
    require('hermitcrab.permission').drop(client_id)
    local how = signal ~= 0 and ('was stopped by signal %d'):format(signal) or ('exited with %d'):format(code)
    for _, session in pairs(sessions) do
      if session.client_id == client_id and session.state ~= 'idle' then
        local message = ('the server %s; `:Hermitcrab log` tells more'):format(how)
        local update = { sessionUpdate = 'state_update', state = 'idle', stopReason = 'error', message = message }
        on_state(session, update)
        require('hermitcrab.chat').on_update(session, update)
      end
    end
    redraw_status()
  end)
end

--- What the user reads of a state.
---@type table<string, string>
local words = { running = 'working', requires_action = 'waits for your answer', idle = 'ready' }

--- Returns model, mode (unless it is the usual one) and state of a session, or of the server when there is none yet.
---@param session? hermitcrab.Session
---@return string[]
function M.describe(session)
  local _, server = next(servers)
  server = server or {}
  local model = session and session.model or server.model
  local mode = session and session.mode or server.mode
  local parts = {} ---@type string[]
  parts[1] = model and model:gsub('^(scripted:).*/', '%1') or nil
  parts[#parts + 1] = mode ~= 'default' and mode or nil
  if session and session.used and (session.size or 0) > 0 then
    parts[#parts + 1] = ('%d%% of context'):format(math.floor(100 * session.used / session.size + 0.5))
  end
  local state = words[session and session.state or 'idle']
  if session and session.state == 'running' and session.doing then
    state = session.doing
  end
  parts[#parts + 1] = state
  return vim.tbl_map(function(part)
    return (part:gsub('%c', ' '))
  end, parts)
end

--- Returns the text of the status line component.
---@return string
function M.status()
  local session = M.current()
  local sign = session and ({ running = '● ', requires_action = '? ' })[session.state] or ''
  return sign .. 'hermitcrab: ' .. table.concat(M.describe(session), ' · ')
end

return M
