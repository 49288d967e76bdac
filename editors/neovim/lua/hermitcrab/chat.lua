-- The chat: one buffer per session that shows its updates, and the window beside the code that shows the buffer.
local M = {}
local api = vim.api
local namespace = api.nvim_create_namespace('hermitcrab.chat') -- the hint of an empty chat

---@class hermitcrab.Chat
---@field session hermitcrab.Session
---@field bufnr integer
---@field transcript hermitcrab.Transcript
---@field tools table<string, hermitcrab.Entry>
---@field plan? hermitcrab.Entry
---@field said table<string, integer> message id -> code points shown
---@field answering boolean the heading of the answer stands already
---@field has_hint boolean nothing was said yet

---@type table<string, hermitcrab.Chat>
local chats = {}
---@type integer?
local window

---@param bufnr integer
local function set_keys(bufnr)
  local function map(keys, action, desc)
    for _, key in ipairs(keys) do
      vim.keymap.set('n', key, action, { buffer = bufnr, nowait = true, desc = desc })
    end
  end
  map({ 'i', 'a', 'o', 'I', 'A', 'O' }, function()
    require('hermitcrab.prompt').open()
  end, 'Hermitcrab: write a prompt')
  map({ '<CR>' }, function()
    if vim.fn.foldlevel('.') > 0 or vim.fn.foldlevel(vim.fn.line('.') + 1) > 0 then
      M.toggle_fold()
    else
      require('hermitcrab.prompt').open()
    end
  end, 'Hermitcrab: open or close a fold, else write a prompt')
  map({ 'q' }, M.close, 'Hermitcrab: close the chat')
end

--- Opens or closes the output under the cursor's line.
function M.toggle_fold()
  local line = vim.fn.line('.')
  local target = vim.fn.foldlevel(line) > 0 and line or line + 1
  vim.cmd(('%d%s'):format(target, vim.fn.foldclosed(target) == -1 and 'foldclose' or 'foldopen'))
end

-- Lines up to which Markdown is coloured while the answer still streams: each repaint parses all of the chat.
local LONG = 300

--- Returns a transcript that puts the colours of a long chat off until the turn is over.
---@param session hermitcrab.Session
---@param bufnr integer
local function transcript(session, bufnr)
  return require('hermitcrab.transcript').new(bufnr, function(lines)
    local coloured = vim.treesitter.highlighter.active[bufnr] ~= nil
    if coloured and lines > LONG and session.state ~= 'idle' then
      vim.treesitter.stop(bufnr)
    elseif not coloured and session.state == 'idle' then
      pcall(vim.treesitter.start, bufnr, 'markdown') -- There may be no parser.
    end
  end)
end

---@param session hermitcrab.Session
---@return hermitcrab.Chat
local function make(session)
  local bufnr = api.nvim_create_buf(false, true)
  api.nvim_buf_set_name(bufnr, 'hermitcrab://' .. session.id)
  vim.bo[bufnr].bufhidden = 'hide'
  vim.bo[bufnr].undolevels = -1
  vim.bo[bufnr].filetype = 'markdown'
  vim.bo[bufnr].modifiable = false
  vim.b[bufnr].hermitcrab_session = session.id
  set_keys(bufnr)
  api.nvim_buf_set_extmark(bufnr, namespace, 0, 0, {
    virt_text = { { 'i: write to the agent · q: close', 'Comment' } },
  })
  return {
    session = session,
    bufnr = bufnr,
    transcript = transcript(session, bufnr),
    tools = {},
    said = {},
    answering = false,
    has_hint = true,
  }
end

--- Returns the chat of a session; a wiped buffer begins again.
---@param session hermitcrab.Session
---@return hermitcrab.Chat
function M.of(session)
  local chat = chats[session.id]
  if not chat or not api.nvim_buf_is_valid(chat.bufnr) then
    chat = make(session)
    chats[session.id] = chat
  end
  return chat
end

--- Forgets what was shown of a session, because all of it is about to be told again.
---@param session hermitcrab.Session
function M.restart(session)
  local chat = M.of(session)
  vim.bo[chat.bufnr].modifiable = true
  api.nvim_buf_set_lines(chat.bufnr, 0, -1, false, {})
  vim.bo[chat.bufnr].modifiable = false
  chat.transcript = transcript(session, chat.bufnr)
  chat.tools, chat.said, chat.plan, chat.answering = {}, {}, nil, false
end

--- Whether the user can see the chat of this session.
---@param id string
---@return boolean
function M.is_visible(id)
  local chat = chats[id]
  return chat ~= nil and #vim.fn.win_findbuf(chat.bufnr) > 0
end

-- What the window shows --------------------------------------------------------------------------------------------

--- 'foldexpr': the output of tools is folded.
---@return integer
function M.foldlevel()
  return vim.startswith(vim.fn.getline(vim.v.lnum), require('hermitcrab.blocks').FOLDED) and 1 or 0
end

--- 'foldtext': how much is hidden.
---@return string
function M.foldtext()
  local count = vim.v.foldend - vim.v.foldstart + 1
  return ('  ⋯ %d line%s'):format(count, count == 1 and '' or 's')
end

--- 'winbar': model, mode and state.
---@return string
function M.winbar()
  local id = vim.b[api.nvim_win_get_buf(vim.g.statusline_winid or 0)].hermitcrab_session
  local session = id and chats[id] and chats[id].session
  local sessions = require('hermitcrab.sessions')
  local text = table.concat(sessions.describe(session), ' · ')
  local room = api.nvim_win_get_width(vim.g.statusline_winid or 0) - vim.fn.strdisplaywidth(' Hermitcrab  ' .. text)
  local right = room >= 12 and '%=%#Comment#i: write ' or ''
  return ' %#Title#Hermitcrab%*  %<' .. text:gsub('%%', '%%%%') .. right
end

local window_options = {
  wrap = true,
  linebreak = true,
  breakindent = true,
  number = false,
  relativenumber = false,
  signcolumn = 'no',
  foldcolumn = '0',
  list = false,
  spell = false,
  cursorline = false,
  conceallevel = 2,
  winfixwidth = true,
  foldmethod = 'expr',
  foldexpr = "v:lua.require'hermitcrab.chat'.foldlevel()",
  foldtext = "v:lua.require'hermitcrab.chat'.foldtext()",
  foldenable = true,
  foldlevel = 0,
  foldminlines = 0,
  fillchars = 'fold: ,eob: ',
  winbar = "%{%v:lua.require'hermitcrab.chat'.winbar()%}",
}

--- Makes a window fit for a chat.
---@param win integer
local function dress(win)
  for name, option in pairs(window_options) do
    api.nvim_set_option_value(name, option, { scope = 'local', win = win })
  end
end

local function columns()
  local width = require('hermitcrab').options.width
  return math.floor(width < 1 and vim.o.columns * width or width)
end

--- Shows a session's chat beside the code; the cursor stays where it is unless `focus`.
---@param session hermitcrab.Session
---@param focus? boolean
function M.open(session, focus)
  local chat = M.of(session)
  local windows = vim.fn.win_findbuf(chat.bufnr)
  local here = vim.tbl_filter(function(win)
    return api.nvim_win_get_tabpage(win) == api.nvim_get_current_tabpage()
  end, windows)
  window = here[1]
    or (window and api.nvim_win_is_valid(window) and window)
    or api.nvim_open_win(chat.bufnr, false, { split = 'right', win = -1, width = columns() })
  if not here[1] then
    api.nvim_win_set_buf(window, chat.bufnr)
    dress(window)
    api.nvim_win_set_cursor(window, { api.nvim_buf_line_count(chat.bufnr), 0 })
  end
  if focus then
    api.nvim_set_current_win(window)
  end
end

--- Closes the chat and its prompt; what was said stays.
function M.close()
  require('hermitcrab.prompt').close()
  if window and api.nvim_win_is_valid(window) and #api.nvim_list_wins() > 1 then
    api.nvim_win_close(window, true)
  end
  window = nil
end

--- Returns the window that shows a chat here, if one does.
---@return integer?
function M.window()
  return window and api.nvim_win_is_valid(window) and window or nil
end

-- What updates do --------------------------------------------------------------------------------------------------

---@param chat hermitcrab.Chat
local function answer_begins(chat)
  if not chat.answering then
    chat.answering = true
    chat.transcript:add({ kind = 'heading', text = 'Hermitcrab' })
  end
end

---@param chat hermitcrab.Chat
---@param text string
---@param level? 'error'
local function note(chat, text, level)
  chat.transcript:add({ kind = 'note', text = text, level = level })
end

--- Drops the part of a chunk that is already shown.
---@param chat hermitcrab.Chat
---@param update table
---@return string
local function unseen(chat, update)
  local text, id, offset = update.content.text or '', update.messageId, update.offset
  if type(id) ~= 'string' or type(offset) ~= 'number' then
    return text
  end
  local key = update.sessionUpdate .. id
  local shown = chat.said[key] or 0
  local length = vim.str_utfindex(text, 'utf-32')
  chat.said[key] = math.max(shown, offset + length)
  return offset >= shown and text or vim.fn.strcharpart(text, shown - offset)
end

---@param kind 'text'|'thought'
local function words(kind)
  return function(chat, update)
    local text = unseen(chat, update)
    if text == '' then
      return
    end
    answer_begins(chat)
    local last = chat.transcript:last()
    if not (last and last.block.kind == kind) then
      last = chat.transcript:add({ kind = kind })
    end
    chat.transcript:extend(last, text)
  end
end

---@param tool table
---@param update table
local function merge_tool(tool, update)
  local content = vim.deepcopy(tool.content or {})
  for key, field in pairs(update) do
    if field ~= vim.NIL then
      tool[key] = field
    end
  end
  if type(update.rawOutput) == 'table' and tool.known then
    tool.rawOutput = vim.tbl_extend('force', tool.known, update.rawOutput)
  end
  tool.known = tool.rawOutput
  if type(update.content) == 'table' then -- An edit's hunks stay when the result's text follows.
    local diffs = vim.tbl_filter(function(item)
      return item.type == 'diff'
    end, content)
    tool.content = vim.list_extend(diffs, update.content)
  end
end

---@param chat hermitcrab.Chat
---@param update table
local function tool(chat, update)
  local id = update.toolCallId
  local entry = chat.tools[id]
  if not entry then
    answer_begins(chat)
    entry = chat.transcript:add({ kind = 'tool', tool = { toolCallId = id } })
    chat.tools[id] = entry
  end
  merge_tool(entry.block.tool, update)
  if type(update.appended) == 'string' then
    entry.block.live = ((entry.block.live or '') .. update.appended):sub(-4000)
  end
  chat.transcript:touch(entry)
end

--- How a turn ended, when there is something to say.
---@type table<string, string>
local endings = { cancelled = 'Cancelled.', refusal = 'The model refused to go on.', max_tokens = 'Cut at the model\'s limit.' }

---@param chat hermitcrab.Chat
---@param update table
local function state(chat, update)
  local reason = type(update.stopReason) == 'string' and update.stopReason or nil
  local message = type(update.message) == 'string' and update.message or endings[reason]
  if message and update.state ~= 'requires_action' then
    answer_begins(chat)
    note(chat, message, reason and reason ~= 'end_turn' and reason ~= 'cancelled' and 'error' or nil)
  end
  if update.state == 'idle' then
    chat.answering = false
    chat.transcript:refresh()
  end
end

---@type table<string, fun(chat: hermitcrab.Chat, update: table)>
local readers = {
  agent_message_chunk = words('text'),
  agent_thought_chunk = words('thought'),
  tool_call = tool,
  tool_call_update = tool,
  state_update = state,
  user_message_chunk = function(chat, update)
    chat.answering, chat.plan = false, nil
    chat.transcript:add({ kind = 'heading', text = 'You' })
    chat.transcript:extend(chat.transcript:add({ kind = 'text' }), update.content.text or '')
  end,
  plan = function(chat, update)
    answer_begins(chat)
    chat.plan = chat.plan or chat.transcript:add({ kind = 'plan', entries = {} })
    chat.plan.block.entries = update.entries
    chat.transcript:touch(chat.plan)
  end,
}

--- Shows one update; kinds this version does not know are passed over.
---@param session hermitcrab.Session
---@param update table
function M.on_update(session, update)
  local reader = readers[update.sessionUpdate]
  if reader then
    local chat = M.of(session)
    reader(chat, update)
    if chat.has_hint and chat.transcript:last() then
      chat.has_hint = false
      api.nvim_buf_clear_namespace(chat.bufnr, namespace, 0, -1)
    end
  end
end

return M
