-- What the server asks of the editor: apply an edit, save a buffer, say what is shown; and what we tell it unasked.
local M = {}
local api = vim.api

---@class hermitcrab.Seen
---@field mtime? string state of the file when this buffer last read or wrote it
---@field edited? integer changedtick right after the agent's last edit
---@field namespaces table<integer, integer> diagnostic namespace -> newest version its set can belong to
---@field sent? lsp.Diagnostic[] what the server was last told
---@field timer? uv.uv_timer_t

---@type table<integer, hermitcrab.Seen>
local seen = {}

---@param bufnr integer
---@return hermitcrab.Seen
local function memory(bufnr)
  seen[bufnr] = seen[bufnr] or { namespaces = {} }
  return seen[bufnr]
end

---@param path string
local function state_on_disk(path)
  local stat = vim.uv.fs_stat(path)
  return stat and ('%d.%d:%d'):format(stat.mtime.sec, stat.mtime.nsec, stat.size) or 'missing'
end

--- Finds the loaded buffer of a document without making one.
---@param uri string
---@return integer?
local function buffer_of(uri)
  local path = vim.fs.normalize(vim.uri_to_fname(uri), { expand_env = false })
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    local name = api.nvim_buf_get_name(bufnr)
    if name ~= '' and api.nvim_buf_is_loaded(bufnr) then
      if vim.fs.normalize(name, { expand_env = false }) == path then
        return bufnr
      end
    end
  end
end

--- Ends the undo block of a buffer, so that one edit of the agent is one `u`.
---@param bufnr integer
local function close_undo_block(bufnr)
  api.nvim_buf_call(bufnr, function()
    vim.bo.undolevels = vim.bo.undolevels
  end)
end

--- Returns the buffers an edit names, and why it must not be applied if one has moved on.
---@param edit lsp.WorkspaceEdit
---@return integer[] buffers
---@return string? stale
local function buffers_of_edit(edit)
  local buffers = {} ---@type integer[]
  for _, change in ipairs(edit.documentChanges or {}) do
    local document = change.textDocument
    local bufnr = document and buffer_of(document.uri)
    if bufnr then
      local version = vim.lsp.util.buf_versions[bufnr]
      if type(document.version) == 'number' and version and version ~= document.version then
        return buffers, ('stale: %s is at version %d, not %d'):format(document.uri, version, document.version)
      end
      buffers[#buffers + 1] = bufnr
    end
  end
  for uri in pairs(edit.changes or {}) do
    buffers[#buffers + 1] = buffer_of(uri)
  end
  return buffers
end

--- Applies an edit as one undo step per buffer; all of it or, when a buffer has moved on, nothing.
function M.on_apply_edit(err, params, ctx)
  local buffers, stale = buffers_of_edit(params.edit)
  if stale then
    return { applied = false, failureReason = stale }
  end
  vim.iter(buffers):each(close_undo_block)
  params.label = nil -- Neovim would print it over the command line.
  local result = vim.lsp.handlers['workspace/applyEdit'](err, params, ctx)
  for _, bufnr in ipairs(buffers) do
    close_undo_block(bufnr)
    memory(bufnr).edited = api.nvim_buf_get_changedtick(bufnr)
  end
  return result
end

---@param bufnr integer
---@return string? reason
local function why_not_save(bufnr)
  local state = memory(bufnr)
  if vim.bo[bufnr].buftype ~= '' then
    return 'is not a file'
  elseif state.edited and state.edited ~= api.nvim_buf_get_changedtick(bufnr) then
    return 'was changed by you meanwhile'
  elseif state.mtime and state.mtime ~= state_on_disk(api.nvim_buf_get_name(bufnr)) then
    return 'changed on disk meanwhile'
  end
end

--- Saves a modified buffer as `:update` does, autocommands included; never over a change the user or the disk made.
---@param params { uri: string }
function M.on_save(_, params)
  local bufnr = buffer_of(params.uri)
  if not bufnr then
    return { saved = false }
  end
  if vim.bo[bufnr].modified then
    local name = vim.fn.fnamemodify(api.nvim_buf_get_name(bufnr), ':~:.')
    local reason = why_not_save(bufnr)
    if not reason then
      local done, problem = pcall(api.nvim_buf_call, bufnr, function()
        vim.cmd('silent lockmarks keepalt update')
      end)
      reason = not done and tostring(problem) or nil
    end
    if reason then
      require('hermitcrab').notify(('`%s` is not saved: %s'):format(name, reason), vim.log.levels.WARN)
    end
  end
  return { saved = not vim.bo[bufnr].modified }
end

---@param namespace integer
local function is_ours(namespace)
  return vim.diagnostic.get_namespace(namespace).name:find('lsp.hermitcrab.', 1, true) ~= nil
end

--- Turns what Neovim shows into an LSP diagnostic in our server's position encoding.
---@param bufnr integer
---@param diagnostic vim.Diagnostic
---@param encoding string
---@return lsp.Diagnostic
local function to_lsp(bufnr, diagnostic, encoding)
  local last = api.nvim_buf_line_count(bufnr) - 1
  local function position(lnum, col)
    lnum = math.min(math.max(lnum, 0), last)
    local line = api.nvim_buf_get_lines(bufnr, lnum, lnum + 1, false)[1] or ''
    return { line = lnum, character = vim.str_utfindex(line, encoding, math.min(math.max(col, 0), #line), false) }
  end
  return {
    range = {
      start = position(diagnostic.lnum, diagnostic.col),
      ['end'] = position(diagnostic.end_lnum or diagnostic.lnum, diagnostic.end_col or diagnostic.col),
    },
    severity = diagnostic.severity,
    message = diagnostic.message,
    source = diagnostic.source,
    code = diagnostic.code,
  }
end

--- Returns what other sources report for a buffer, and the newest version all of it can belong to (nil: unknown).
---@param bufnr integer
---@param encoding string
---@param where? { lnum: integer } only there
---@return lsp.Diagnostic[] diagnostics
---@return integer? version
function M.foreign_diagnostics(bufnr, encoding, where)
  local found, version = {}, nil ---@type lsp.Diagnostic[], integer?
  local known = memory(bufnr).namespaces
  local here = {} ---@type table<integer, true>
  for _, diagnostic in ipairs(vim.diagnostic.get(bufnr, where)) do
    if diagnostic.source ~= 'hermitcrab' and not is_ours(diagnostic.namespace) then
      found[#found + 1] = to_lsp(bufnr, diagnostic, encoding)
      here[diagnostic.namespace] = true
    end
  end
  for namespace in pairs(next(here) and here or known) do
    version = math.min(version or math.huge, known[namespace] or -1)
  end
  if not next(known) and #vim.lsp.get_clients({ bufnr = bufnr }) == 1 then
    version = vim.lsp.util.buf_versions[bufnr] -- Nobody but us reports here, so nothing is still to come.
  end
  return found, version ~= -1 and version or nil
end

--- Says what the editor shows for a document.
---@param params { uri: string }
function M.on_diagnostics(_, params, ctx)
  local bufnr = buffer_of(params.uri)
  local client = vim.lsp.get_client_by_id(ctx.client_id)
  if not bufnr or not client then
    return { diagnostics = {} }
  end
  local diagnostics, version = M.foreign_diagnostics(bufnr, client.offset_encoding)
  return { version = version, diagnostics = diagnostics }
end

--- Remembers which version a set of diagnostics can belong to at most: the text it appeared over.
---@param bufnr integer
---@param diagnostics vim.Diagnostic[] the set that changed; an empty one does not say whose it was
local function note_version(bufnr, diagnostics)
  local known = memory(bufnr).namespaces
  local version = vim.lsp.util.buf_versions[bufnr]
  if diagnostics[1] and not is_ours(diagnostics[1].namespace) then
    known[diagnostics[1].namespace] = version
  elseif not diagnostics[1] then
    local left = {} ---@type table<integer, true>
    for _, diagnostic in ipairs(vim.diagnostic.get(bufnr)) do
      left[diagnostic.namespace] = true
    end
    for namespace in pairs(known) do
      known[namespace] = left[namespace] and known[namespace] or version
    end
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
local function tell_diagnostics(client, bufnr)
  if not api.nvim_buf_is_loaded(bufnr) or client:is_stopped() then
    return
  end
  local state = memory(bufnr)
  local diagnostics, version = M.foreign_diagnostics(bufnr, client.offset_encoding)
  if vim.deep_equal(diagnostics, state.sent or {}) then
    return
  end
  state.sent = diagnostics
  client:notify('hermitcrab/editor/didChangeDiagnostics', {
    uri = vim.uri_from_bufnr(bufnr),
    version = version,
    diagnostics = diagnostics,
  })
end

--- Lets our server hear of the problems others report where a code action is asked for; Neovim tells each its own only.
---@param client vim.lsp.Client
local function share_problems(client)
  local request = client.request
  if client.hermitcrab_shares then
    return
  end
  client.hermitcrab_shares = true
  client.request = function(self, method, params, handler, bufnr)
    if method == 'textDocument/codeAction' then
      local range = params.range
      local here = (bufnr or 0) ~= 0 and bufnr or api.nvim_get_current_buf()
      for lnum = range.start.line, range['end'].line do
        local found = M.foreign_diagnostics(here, self.offset_encoding, { lnum = lnum })
        params.context.diagnostics = vim.list_extend(vim.list_slice(params.context.diagnostics), found)
      end
    end
    return request(self, method, params, handler, bufnr)
  end
end

--- Follows one buffer: its file on disk, its diagnostics, whether the user looks at it.
---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  share_problems(client)
  local state = memory(bufnr)
  local path = api.nvim_buf_get_name(bufnr)
  state.mtime = not vim.bo[bufnr].modified and state_on_disk(path) or state.mtime
  local group = api.nvim_create_augroup(('hermitcrab.%d.%d'):format(client.id, bufnr), { clear = true })
  local function on(events, callback)
    api.nvim_create_autocmd(events, { group = group, buffer = bufnr, callback = callback })
  end
  on({ 'BufReadPost', 'BufWritePost', 'FileChangedShellPost' }, function()
    state.mtime = state_on_disk(api.nvim_buf_get_name(bufnr))
  end)
  on('BufEnter', function()
    client:notify('hermitcrab/editor/didFocus', { uri = vim.uri_from_bufnr(bufnr) })
  end)
  on('DiagnosticChanged', function(event)
    note_version(bufnr, event.data and event.data.diagnostics or {})
    state.timer = state.timer or vim.uv.new_timer()
    state.timer:start(100, 0, function()
      vim.schedule(function()
        tell_diagnostics(client, bufnr)
      end)
    end)
  end)
  on('LspDetach', function(event)
    if event.data.client_id == client.id then
      M.detach(bufnr, group)
    end
  end)
  if bufnr == api.nvim_get_current_buf() then
    client:notify('hermitcrab/editor/didFocus', { uri = vim.uri_from_bufnr(bufnr) })
  end
  tell_diagnostics(client, bufnr)
end

--- Forgets a buffer.
---@param bufnr integer
---@param group integer
function M.detach(bufnr, group)
  local timer = seen[bufnr] and seen[bufnr].timer
  if timer and not timer:is_closing() then
    timer:close()
  end
  seen[bufnr] = nil
  pcall(api.nvim_del_augroup_by_id, group)
end

return M
