-- Permission questions: one at a time, every byte of what will run in view, never under a typing hand.
local M = {}
local api = vim.api

---@class hermitcrab.Question
---@field params table as asked
---@field client_id integer
---@field answer fun(outcome: table)
---@field read boolean the user has seen all of a text too long for the float
---@field settled boolean

---@type hermitcrab.Question[]
local waiting = {}
---@type hermitcrab.Question?
local active
---@type { window: integer, buffer: integer }?
local float
---@type uv.uv_timer_t?
local timer
local last_key = 0
local keys = api.nvim_create_namespace('hermitcrab.permission')

local CANCELLED = { outcome = { outcome = 'cancelled' } }

-- Characters that would hide or reorder what the user reads.
local hidden = {
  '[\226][\128][\139-\143\168-\174]', -- zero width, direction marks and overrides, line separators
  '[\226][\129][\160-\175]', -- word joiner, isolates
  '\239\187\191', -- byte order mark
  '\194[\128-\159]', -- second set of control characters
  '\194\173', -- soft hyphen
}

--- Writes hidden characters as their code points.
---@param text string
---@return string
function M.visible(text)
  for _, pattern in ipairs(hidden) do
    text = text:gsub(pattern, function(found)
      return ('<U+%04X>'):format(vim.fn.char2nr(found))
    end)
  end
  return text
end

-- The float ---------------------------------------------------------------------------------------------------------

local function close_float()
  if float then
    pcall(api.nvim_win_close, float.window, true)
    pcall(api.nvim_buf_delete, float.buffer, { force = true })
  end
  float = nil
end

--- Shows a question above everything, without taking the cursor. Returns whether all of it fits.
---@param params table
---@param hint string
---@return boolean
local function show_float(params, hint)
  close_float()
  local lines = vim.split(M.visible(params.detail), '\n', { plain = true })
  local widest = vim.fn.strdisplaywidth(params.title) + 2
  for _, line in ipairs(lines) do
    widest = math.max(widest, vim.fn.strdisplaywidth(line))
  end
  local width = math.max(math.min(widest, vim.o.columns - 6), 30)
  local room = math.max(vim.o.lines - #params.options - 8, 3) -- the choice needs its lines below
  local buffer = api.nvim_create_buf(false, true)
  api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  local window = api.nvim_open_win(buffer, false, {
    relative = 'editor',
    row = 1, -- until its height is known
    col = math.floor((vim.o.columns - width - 2) / 2),
    width = width,
    height = math.min(#lines, room),
    style = 'minimal',
    border = 'rounded',
    title = (' %s '):format((M.visible(params.title):gsub('%c', ' '))),
    footer = (' %s '):format(hint),
    focusable = true,
    noautocmd = true,
    zindex = 190,
  })
  vim.wo[window].wrap = true
  vim.wo[window].list = true
  vim.wo[window].listchars = 'tab:→ ,trail:·,nbsp:␣'
  vim.wo[window].winhighlight = 'FloatBorder:DiagnosticWarn,FloatTitle:DiagnosticWarn'
  local height = api.nvim_win_text_height(window, {}).all
  local shown = math.min(height, room)
  local cursor_is_high = vim.fn.screenrow() <= vim.o.lines / 2
  local row = cursor_is_high and vim.o.lines - shown - #params.options - 7 or 1 -- clear of the text being written
  api.nvim_win_set_config(window, {
    relative = 'editor',
    row = math.max(row, 1),
    col = math.floor((vim.o.columns - width - 2) / 2),
    height = shown,
  })
  float = { window = window, buffer = buffer }
  return height <= room
end

-- The question ------------------------------------------------------------------------------------------------------

local pump

---@param question hermitcrab.Question
---@param outcome table
local function settle(question, outcome)
  if question.settled then
    return
  end
  question.settled = true
  if active == question then
    active = nil
    close_float()
  end
  waiting = vim.tbl_filter(function(other)
    return other ~= question
  end, waiting)
  vim.schedule(function()
    question.answer(outcome)
    pump()
  end)
end

--- What closing the question means: no.
---@param options table[]
---@return table
local function refusal(options)
  for _, option in ipairs(options) do
    if option.kind == 'reject_once' then
      return { outcome = { outcome = 'selected', optionId = option.optionId } }
    end
  end
  return CANCELLED
end

--- Opens a text too long for the float in a window of its own; the question comes back when it is closed.
---@param question hermitcrab.Question
local function read_all(question)
  close_float()
  local buffer = api.nvim_create_buf(false, true)
  api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(M.visible(question.params.detail), '\n', { plain = true }))
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].bufhidden = 'wipe'
  local window = api.nvim_open_win(buffer, true, { split = 'above', win = -1, height = math.floor(vim.o.lines * 0.7) })
  vim.wo[window].winbar = ' %#DiagnosticWarn#' .. M.visible(question.params.title):gsub('[%c%%]', ' ') .. '%*%=q: back to the question '
  vim.wo[window].list = true
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buffer, nowait = true })
  api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    once = true,
    callback = vim.schedule_wrap(function()
      question.read = true
      if active == question then
        active = nil
        table.insert(waiting, 1, question)
        pump()
      end
    end),
  })
end

---@param question hermitcrab.Question
local function choose(question)
  local params = question.params
  local fits = show_float(params, 'will run exactly so')
  local choices = vim.list_slice(params.options)
  if not fits and not question.read then
    choices = vim.tbl_filter(function(option)
      return vim.startswith(option.kind, 'reject')
    end, choices)
    local count = #vim.split(params.detail, '\n', { plain = true })
    table.insert(choices, 1, { name = ('Read all of it first (%d lines)'):format(count), kind = 'read' })
  end
  vim.cmd.redraw()
  local why = params.reason and params.reason ~= '' and (' (%s)'):format((M.visible(params.reason):gsub('%c', ' '))) or ''
  vim.ui.select(choices, {
    prompt = ('Hermitcrab asks: %s?%s'):format((M.visible(params.title):gsub('%c', ' ')), why),
    kind = 'hermitcrab_permission',
    format_item = function(option)
      return option.name
    end,
  }, function(option)
    if question.settled then
      return
    elseif option and option.kind == 'read' then
      read_all(question)
    elseif option then
      settle(question, { outcome = { outcome = 'selected', optionId = option.optionId } })
    else
      settle(question, refusal(params.options))
    end
  end)
end

--- Whether the user is in Normal mode and has not touched a key for a moment.
local function is_quiet()
  local mode = api.nvim_get_mode()
  local pause = require('hermitcrab').options.quiet_ms
  return mode.mode == 'n' and not mode.blocking and vim.uv.now() - last_key >= pause
end

local function stop_listening()
  vim.on_key(nil, keys)
  if timer then
    timer:close()
    timer = nil
  end
end

--- Waits for a quiet moment, then asks: keys meant for the text never answer a question.
local function listen()
  last_key = vim.uv.now()
  vim.on_key(function(_, typed)
    if typed == nil or typed ~= '' then
      last_key = vim.uv.now()
    end
  end, keys)
  timer = assert(vim.uv.new_timer())
  timer:start(50, 50, vim.schedule_wrap(function()
    if not active or not timer then
      return stop_listening()
    end
    if is_quiet() then
      stop_listening()
      choose(active)
    end
  end))
end

function pump()
  if active or #waiting == 0 then
    return
  end
  active = table.remove(waiting, 1)
  local more = #waiting > 0 and (' · %d more'):format(#waiting) or ''
  local typing = api.nvim_get_mode().mode ~= 'n'
  show_float(active.params, (typing and 'leave Insert mode to answer' or 'asks in a moment') .. more)
  if not timer then
    listen()
  end
end

--- `hermitcrab/permission/request`: asks the user and returns the answer.
function M.on_request(_, params, ctx)
  local co = assert(coroutine.running(), 'a permission request needs a coroutine')
  local session = require('hermitcrab.sessions').get(params.sessionId, ctx.client_id)
  local call = { sessionUpdate = 'tool_call_update', toolCallId = params.toolCall.toolCallId, title = params.title }
  require('hermitcrab.chat').on_update(session, call)
  waiting[#waiting + 1] = {
    params = params,
    client_id = ctx.client_id,
    read = false,
    settled = false,
    answer = function(outcome)
      coroutine.resume(co, outcome)
    end,
  }
  vim.schedule(pump)
  return coroutine.yield()
end

--- Withdraws questions that somebody else has answered, or whose turn is over.
---@param session_id string
---@param update table
function M.on_update(session_id, update)
  local over = update.sessionUpdate == 'state_update' and update.state == 'idle'
  local call = vim.startswith(update.sessionUpdate, 'tool_call')
    and vim.list_contains({ 'in_progress', 'completed', 'failed' }, update.status)
    and update.toolCallId
  if not (over or call) then
    return
  end
  for _, question in ipairs(vim.list_extend({ active }, waiting)) do
    local params = question.params
    if params.sessionId == session_id and (over or params.toolCall.toolCallId == call) then
      settle(question, CANCELLED)
    end
  end
end

--- Drops the questions of a server that is gone.
---@param client_id integer
function M.drop(client_id)
  for _, question in ipairs(vim.list_extend({ active }, waiting)) do
    if question.client_id == client_id then
      settle(question, CANCELLED)
    end
  end
end

return M
