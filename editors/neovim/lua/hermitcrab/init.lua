-- What other code may use of Hermitcrab: `setup`, `status`, `client`.
local M = {}

---@class hermitcrab.Options
---@field open 'ask'|'always'|'never' when the chat opens by itself: for questions, for every turn, or never
---@field width number columns of the chat; below 1 a share of the screen
---@field quiet_ms integer how long the user must have stopped typing before a question takes the keyboard

---@type hermitcrab.Options
M.options = { open = 'ask', width = 0.4, quiet_ms = 400 }

--- Changes options; calling it is not necessary.
---@param options? table any of |hermitcrab.Options|
function M.setup(options)
  M.options = vim.tbl_extend('force', M.options, options or {})
end

--- Returns the client for a buffer, or else any running one.
---@param bufnr? integer
---@return vim.lsp.Client?
function M.client(bufnr)
  local here = vim.lsp.get_clients({ name = 'hermitcrab', bufnr = bufnr or 0 })
  return here[1] or vim.lsp.get_clients({ name = 'hermitcrab' })[1]
end

--- Returns one short text for a status line: empty while no server runs.
---@return string
function M.status()
  return M.client() and require('hermitcrab.sessions').status() or ''
end

--- Tells the user something in one line, so that no prompt to press Enter takes the keyboard.
---@param message string
---@param level? integer
function M.notify(message, level)
  local line = vim.trim(message:gsub('%s+', ' '))
  local room = math.max(vim.o.columns - 16, 20)
  if vim.fn.strdisplaywidth('Hermitcrab: ' .. line) > room then
    line = vim.fn.strcharpart(line, 0, room - 14) .. '…'
  end
  vim.notify('Hermitcrab: ' .. line, level or vim.log.levels.INFO, { title = 'Hermitcrab' })
end

return M
