-- How each kind of chat block reads: a block in, lines and colours out. Nothing here touches a buffer.
local M = {}

---@class hermitcrab.Block
---@field kind 'heading'|'text'|'thought'|'tool'|'plan'|'note'
---@field text? string
---@field tool? table the merged tool call, as the protocol shows it
---@field live? string output so far, while the tool runs
---@field entries? table[] the plan
---@field level? 'error'|'info'

---@class hermitcrab.Mark
---@field line integer 0-based, within the block
---@field group string
---@field from? integer byte column; the whole line when missing
---@field to? integer

-- Lines that begin so are folded away by the chat window; open ones begin with M.OPEN.
M.FOLDED = '  │ '
M.OPEN = '  ┃ '

local HEAD, TAIL, LIVE, DIFF = 120, 60, 8, 60
local signs = { pending = '○', in_progress = '◐', completed = '✓', failed = '✗' }
local groups = { pending = 'Comment', in_progress = 'DiagnosticInfo', completed = 'DiagnosticOk', failed = 'DiagnosticError' }

--- Splits text into lines; a final line end makes no empty line.
---@param text string
---@return string[]
local function lines_of(text)
  return vim.split((text:gsub('\n$', '')), '\n', { plain = true })
end

--- Keeps the beginning and the end of a long output and says what is missing.
---@param lines string[]
---@return string[]
local function shortened(lines)
  if #lines <= HEAD + TAIL then
    return lines
  end
  local kept = vim.list_slice(lines, 1, HEAD)
  kept[#kept + 1] = ('… %d lines left out …'):format(#lines - HEAD - TAIL)
  return vim.list_extend(kept, vim.list_slice(lines, #lines - TAIL + 1))
end

--- Reads a tool call's contents: its last text, and all its diffs.
---@param tool table
---@return string text
---@return table[] diffs
local function contents(tool)
  local text, diffs = '', {}
  for _, content in ipairs(tool.content or {}) do
    if content.type == 'diff' then
      diffs[#diffs + 1] = content
    elseif content.type == 'content' and content.content.type == 'text' then
      text = content.content.text
    end
  end
  return text, diffs
end

---@param path string
local function short(path)
  return vim.fn.fnamemodify(path, ':~:.')
end

--- Writes the first line of a tool call: sign, title, place, remark.
---@param tool table
---@param text string
---@param diffs table[]
---@return string
local function tool_line(tool, text, diffs)
  local status = tool.status or 'pending'
  local line = ('%s %s'):format(signs[status] or '○', tool.title or tool.toolCallId)
  local remarks = vim.tbl_get(tool, 'rawOutput', 'notes') or {}
  if status == 'failed' then
    remarks = { vim.trim(vim.split(text, '\n', { plain = true })[1]) }
  elseif #remarks == 0 and #diffs > 0 and vim.tbl_get(tool, 'rawOutput', 'saved') == false then
    remarks = { 'not saved' }
  end
  local whole = #remarks > 0 and ('%s  (%s)'):format(line, table.concat(remarks, '; ')) or line
  return (whole:gsub('\n', '\\n'))
end

---@param lines string[]
---@param marks hermitcrab.Mark[]
---@param diffs table[]
---@param title string names the file already, mostly
local function add_diffs(lines, marks, diffs, title)
  local many, path = 0, nil ---@type integer, string?
  for _, diff in ipairs(diffs) do
    many = many + #lines_of(diff.oldText) + #lines_of(diff.newText)
  end
  local prefix = many > DIFF and M.FOLDED or M.OPEN
  for index, diff in ipairs(diffs) do
    if diff.path ~= path then
      if index > 1 or not title:find(short(diff.path), 1, true) then
        lines[#lines + 1] = prefix .. short(diff.path)
        marks[#marks + 1] = { line = #lines - 1, group = 'Directory', from = #prefix }
      end
      path = diff.path
    elseif index > 1 then
      lines[#lines + 1] = prefix .. '⋯'
    end
    for _, side in ipairs({ { '-', diff.oldText, 'Removed' }, { '+', diff.newText, 'Added' } }) do
      for _, line in ipairs(side[2] ~= '' and lines_of(side[2]) or {}) do
        lines[#lines + 1] = prefix .. side[1] .. ' ' .. line
        marks[#marks + 1] = { line = #lines - 1, group = side[3], from = #prefix }
      end
    end
  end
end

---@param lines string[]
---@param prefix string
---@param text string[]
local function add_body(lines, prefix, text)
  for _, line in ipairs(text) do
    lines[#lines + 1] = prefix .. line
  end
end

---@type table<string, fun(block: hermitcrab.Block): string[], hermitcrab.Mark[]>
local writers = {}

function writers.heading(block)
  return { '## ' .. block.text, '' }, { { line = 0, group = 'Title' } }
end

-- Words and thoughts only grow: they begin so, and the transcript adds to their last line but one.
function writers.text()
  return { '', '' }, {}
end

function writers.thought()
  return { '· thought', M.FOLDED, '' }, { { line = 0, group = 'Comment' } }
end

function writers.tool(block)
  local tool = block.tool
  local text, diffs = contents(tool)
  local status = tool.status or 'pending'
  local lines = { tool_line(tool, text, diffs) }
  local marks = { { line = 0, group = groups[status] or 'Comment', from = 0, to = #(signs[status] or '○') } }
  add_diffs(lines, marks, diffs, tool.title or '')
  if block.live and (status == 'in_progress' or status == 'pending') then
    local output = lines_of(block.live)
    add_body(lines, M.OPEN, vim.list_slice(output, math.max(#output - LIVE + 1, 1)))
  elseif text ~= '' and #diffs == 0 and not (status == 'failed' and not vim.trim(text):find('\n')) then
    add_body(lines, M.FOLDED, shortened(lines_of(text)))
  end
  lines[#lines + 1] = ''
  return lines, marks
end

function writers.plan(block)
  local lines, marks = { 'Plan' }, { { line = 0, group = 'Title' } }
  for _, entry in ipairs(block.entries) do
    lines[#lines + 1] = ('  %s %s'):format(signs[entry.status] or '○', (entry.content:gsub('\n', ' ')))
    marks[#marks + 1] = { line = #lines - 1, group = groups[entry.status] or 'Comment', from = 2, to = 5 }
  end
  lines[#lines + 1] = ''
  return lines, marks
end

function writers.note(block)
  local lines = lines_of(block.text)
  local marks = {}
  for index, line in ipairs(lines) do
    lines[index] = (index == 1 and '— ' or '  ') .. line
    marks[index] = { line = index - 1, group = block.level == 'error' and 'DiagnosticError' or 'Comment' }
  end
  lines[#lines + 1] = ''
  return lines, marks
end

--- Returns the lines of a block, the last one empty, and their colours.
---@param block hermitcrab.Block
---@return string[] lines
---@return hermitcrab.Mark[] marks
function M.write(block)
  return writers[block.kind](block)
end

return M
