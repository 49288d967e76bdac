-- Where the user writes to the agent: a few lines below the chat.
local M = {}
local api = vim.api

---@type integer?
local bufnr
---@type integer?
local window

local function text_of(buffer)
  return vim.trim(table.concat(api.nvim_buf_get_lines(buffer, 0, -1, false), '\n'))
end

--- Sends what is written; it goes away only once the server has taken it.
function M.send()
  local buffer = assert(bufnr)
  local text = text_of(buffer)
  if text == '' then
    return
  end
  require('hermitcrab.commands').send(text, function()
    if api.nvim_buf_is_valid(buffer) and text_of(buffer) == text then
      api.nvim_buf_set_lines(buffer, 0, -1, false, {})
    end
  end)
end

local function make()
  local buffer = api.nvim_create_buf(false, true)
  api.nvim_buf_set_name(buffer, 'hermitcrab://prompt')
  vim.bo[buffer].bufhidden = 'hide'
  vim.bo[buffer].filetype = 'hermitcrab_prompt'
  local function map(modes, key, action, desc)
    vim.keymap.set(modes, key, action, { buffer = buffer, nowait = true, desc = desc })
  end
  map('n', '<CR>', M.send, 'Hermitcrab: send')
  map({ 'n', 'i' }, '<C-s>', M.send, 'Hermitcrab: send')
  map('n', 'q', M.close, 'Hermitcrab: close the prompt')
  return buffer
end

--- Opens the prompt and begins to write.
function M.open()
  local chat = require('hermitcrab.chat').window()
  if not chat then
    return
  end
  bufnr = bufnr and api.nvim_buf_is_valid(bufnr) and bufnr or make()
  if not (window and api.nvim_win_is_valid(window)) then
    window = api.nvim_open_win(bufnr, true, { split = 'below', win = chat, height = 5 })
    for name, option in pairs({
      wrap = true,
      linebreak = true,
      number = false,
      relativenumber = false,
      signcolumn = 'no',
      winfixheight = true,
      fillchars = 'eob: ',
      winbar = ' %#Title#You%*%=%#Comment# Ctrl-S sends · q closes ',
    }) do
      api.nvim_set_option_value(name, option, { scope = 'local', win = window })
    end
  end
  api.nvim_set_current_win(window)
  vim.cmd.startinsert({ bang = true })
end

--- Closes the prompt; what is written stays.
function M.close()
  if window and api.nvim_win_is_valid(window) then
    api.nvim_win_close(window, true)
  end
  window = nil
end

return M
