-- nvim --clean -l run.lua PYTHON CASE: runs one case of cases.lua against puppet.py; exits 1 when it fails.
-- nvim --clean -l run.lua --list: prints the names of all cases.
local here = vim.fs.dirname(vim.fs.abspath(_G.arg[0]))
local plugin = vim.fs.joinpath(here, '..', '..', '..', 'editors', 'neovim')
vim.opt.runtimepath:prepend(vim.fs.normalize(vim.fs.abspath(plugin)))
vim.g.loaded_python3_provider = 0 -- Else the Python filetype plugin looks for providers, which takes seconds.
vim.g.hermitcrab_enable = false
package.path = here .. '/?.lua;' .. package.path

local cases = require('cases')
if _G.arg[1] == '--list' then
  for _, name in ipairs(vim.fn.sort(vim.tbl_keys(cases))) do
    io.stdout:write(name, '\n')
  end
  os.exit(0)
end

local T = { root = vim.fn.tempname() }
vim.fn.mkdir(T.root .. '/.git', 'p')
vim.cmd.cd(T.root)

--- Waits until `condition` holds; says what was missing otherwise.
function T.wait_for(what, condition)
  assert(vim.wait(5000, condition, 5), 'never saw: ' .. what)
end

--- Fails unless both are equal.
function T.equal(found, expected, what)
  if not vim.deep_equal(found, expected) then
    error(('%s\nfound    %s\nexpected %s'):format(what or 'not equal', vim.inspect(found), vim.inspect(expected)), 2)
  end
end

--- Writes a file and opens it; returns its buffer once the server knows it.
function T.open(name, text)
  local path = vim.fs.joinpath(T.root, name)
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
  vim.cmd.edit(vim.fn.fnameescape(path))
  T.wait_for('the client', function()
    T.client = vim.lsp.get_clients({ bufnr = 0, name = 'hermitcrab' })[1]
    return T.client and T.client.initialized
  end)
  return vim.api.nvim_get_current_buf(), vim.uri_from_fname(path)
end

--- Makes the server send a message; returns what the editor answers if it is a request.
function T.send(method, params, expects)
  local reply = assert(T.client:request_sync('puppet/send', { method = method, params = params, expects = expects }, 5000))
  assert(not reply.err, vim.inspect(reply.err))
  return reply.result
end

--- Makes the server ask; `done` hears the answer later.
function T.ask(method, params, done)
  T.client:request('puppet/send', { method = method, params = params, expects = true }, function(_, result)
    done(result)
  end)
end

--- Tells the server what to answer to a method from now on.
function T.reply(method, result)
  T.client:request_sync('puppet/reply', { method = method, result = result }, 5000)
end

--- Returns the params of all messages of that method the server has had.
function T.heard(method)
  local found = {}
  for _, message in ipairs(T.client:request_sync('puppet/heard', {}, 5000).result) do
    if message.method == method then
      found[#found + 1] = message.params
    end
  end
  return found
end

--- Sends a session update, as the server shows a turn.
function T.update(update, session)
  T.send('hermitcrab/session/update', { sessionId = session or 's1', update = update })
end

--- Applies an edit the way the server does; returns the editor's answer.
function T.edit(changes)
  return T.send('workspace/applyEdit', { label = 'Hermitcrab', edit = { documentChanges = changes } }, true)
end

--- One change of a document: a range of UTF-16 units and its new text.
function T.change(uri, version, line, from, to, text)
  return {
    textDocument = { uri = uri, version = version },
    edits = {
      { range = { start = { line = line, character = from }, ['end'] = { line = line, character = to } }, newText = text },
    },
  }
end

function T.lines(bufnr)
  return vim.api.nvim_buf_get_lines(bufnr or 0, 0, -1, false)
end

--- Types keys as a user would and waits until they are worked off.
function T.type(keys)
  vim.api.nvim_feedkeys(vim.keycode(keys), 'tx', false)
end

vim.lsp.config('hermitcrab', { cmd = { _G.arg[1], here .. '/puppet.py' } })
vim.cmd.runtime('plugin/hermitcrab.lua')
vim.lsp.enable('hermitcrab')
vim.cmd.filetype('on')
T.notified = {}
vim.notify = function(message, level)
  T.notified[#T.notified + 1] = { message, level }
end

local passed, problem = xpcall(cases[_G.arg[2]], debug.traceback, T)
if T.client then
  T.client:stop()
  vim.wait(2000, function()
    return T.client:is_stopped()
  end, 5)
end
if not passed then
  io.stderr:write(problem, '\n')
  os.exit(1)
end
