-- A list of blocks kept equal to a buffer: changes are gathered and painted together, at most every 30 ms.
local M = {}
local api = vim.api
local namespace = api.nvim_create_namespace('hermitcrab.transcript')
local PAUSE = 30

---@class hermitcrab.Entry
---@field block hermitcrab.Block
---@field first integer line of the buffer, 0-based
---@field lines string[] as painted
---@field dirty boolean
---@field pending string[] words that are not painted yet

---@class hermitcrab.Transcript
---@field bufnr integer
---@field entries hermitcrab.Entry[]
---@field waiting boolean
---@field on_paint fun(lines: integer) told how long the buffer is after each repaint
local Transcript = {}
Transcript.__index = Transcript

--- Begins a transcript in an empty buffer.
---@param bufnr integer
---@param on_paint fun(lines: integer)
---@return hermitcrab.Transcript
function M.new(bufnr, on_paint)
  return setmetatable({ bufnr = bufnr, entries = {}, waiting = false, on_paint = on_paint }, Transcript)
end

--- Adds a block at the end.
---@param block hermitcrab.Block
---@return hermitcrab.Entry
function Transcript:add(block)
  local before = self:last()
  local first = before and before.first + #before.lines or 0
  local entry = { block = block, first = first, lines = {}, dirty = true, pending = {} }
  table.insert(self.entries, entry)
  self:touch(entry)
  return entry
end

--- Returns the last block, or nothing.
---@return hermitcrab.Entry?
function Transcript:last()
  return self.entries[#self.entries]
end

--- Marks a block as changed; it is painted soon.
---@param entry hermitcrab.Entry
function Transcript:touch(entry)
  entry.dirty = true
  self:refresh()
end

--- Repaints soon.
function Transcript:refresh()
  if not self.waiting then
    self.waiting = true
    vim.defer_fn(function()
      self:paint()
    end, PAUSE)
  end
end

--- Adds words to a block of words or thoughts; a final line end waits for what follows it.
---@param entry hermitcrab.Entry
---@param text string
function Transcript:extend(entry, text)
  entry.pending[#entry.pending + 1] = text
  self:touch(entry)
end

--- Returns the windows whose cursor rests at the end and may follow it.
---@param bufnr integer
---@return integer[]
local function followers(bufnr)
  local last = api.nvim_buf_line_count(bufnr)
  local mode = api.nvim_get_mode().mode
  return vim.tbl_filter(function(window)
    local busy = window == api.nvim_get_current_win() and mode ~= 'n'
    return not busy and api.nvim_win_get_cursor(window)[1] >= last
  end, vim.fn.win_findbuf(bufnr))
end

--- Returns how many lines two lists share at the beginning and at the end.
---@param old string[]
---@param new string[]
local function shared(old, new)
  local most = math.min(#old, #new)
  local head = 0
  while head < most and old[head + 1] == new[head + 1] do
    head = head + 1
  end
  local tail = 0
  while tail < most - head and old[#old - tail] == new[#new - tail] do
    tail = tail + 1
  end
  return head, tail
end

--- Paints the words that came since; what is already there stays untouched.
---@param entry hermitcrab.Entry
---@return integer grown lines more than before
function Transcript:paint_words(entry)
  local text = table.concat(entry.pending)
  local ends = text:match('\n+$')
  entry.pending = ends and { ends } or {}
  if ends then
    text = text:sub(1, -#ends - 1)
  end
  local prefix = entry.block.kind == 'thought' and require('hermitcrab.blocks').FOLDED or ''
  local lines = entry.lines
  local tail = table.remove(lines) -- the empty line that ends every block
  local row = entry.first + #lines - 1
  local added = vim.split(lines[#lines] .. text:gsub('\n', '\n' .. prefix), '\n', { plain = true })
  api.nvim_buf_set_lines(self.bufnr, row, row + 1, false, added)
  table.remove(lines)
  vim.list_extend(lines, added)
  lines[#lines + 1] = tail
  return #added - 1
end

--- Paints a block anew, touching only the lines that differ.
---@param entry hermitcrab.Entry
---@return integer grown lines more than before
function Transcript:paint_block(entry)
  local blocks = require('hermitcrab.blocks')
  local lines, marks = blocks.write(entry.block)
  local head, tail = shared(entry.lines, lines)
  local from, to = entry.first + head, entry.first + #entry.lines - tail
  api.nvim_buf_set_lines(self.bufnr, from, to, false, vim.list_slice(lines, head + 1, #lines - tail))
  api.nvim_buf_clear_namespace(self.bufnr, namespace, entry.first, entry.first + #lines)
  for _, mark in ipairs(marks) do
    api.nvim_buf_set_extmark(self.bufnr, namespace, entry.first + mark.line, mark.from or 0, {
      end_col = mark.to or #lines[mark.line + 1],
      hl_group = mark.group,
      priority = 150, -- over Markdown's own colours
    })
  end
  local grown = #lines - #entry.lines
  entry.lines = lines
  return grown
end

---@param entry hermitcrab.Entry
---@return integer grown lines more than before
function Transcript:paint_entry(entry)
  entry.dirty = false
  local grows = entry.block.kind == 'text' or entry.block.kind == 'thought'
  local grown = (not grows or #entry.lines == 0) and self:paint_block(entry) or 0
  return grown + (#entry.pending > 0 and self:paint_words(entry) or 0)
end

--- Brings the buffer up to date without moving anybody who reads elsewhere.
function Transcript:paint()
  self.waiting = false
  if not api.nvim_buf_is_loaded(self.bufnr) then
    return
  end
  local following = followers(self.bufnr)
  vim.bo[self.bufnr].modifiable = true
  local moved = 0
  for _, entry in ipairs(self.entries) do
    entry.first = entry.first + moved
    if entry.dirty then
      moved = moved + self:paint_entry(entry)
    end
  end
  vim.bo[self.bufnr].modifiable = false
  vim.bo[self.bufnr].modified = false
  local last = api.nvim_buf_line_count(self.bufnr)
  for _, window in ipairs(following) do
    if api.nvim_win_is_valid(window) then
      api.nvim_win_set_cursor(window, { last, 0 })
    end
  end
  self.on_paint(last)
end

return M
