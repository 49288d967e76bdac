-- What the user can do: `:Hermitcrab VERB …`, and the commands that code actions carry.
local M = {}
local api = vim.api

local function notify(message, level)
  require('hermitcrab').notify(message, level)
end

--- Returns the running client, or tells the user how to get one.
---@return vim.lsp.Client?
local function client_or_tell()
  local client = require('hermitcrab').client()
  if not client then
    notify('no server runs here; open a file of a project, or see `:checkhealth hermitcrab`', vim.log.levels.WARN)
  end
  return client
end

--- Sends a request; `done` hears only of success, the user of failure.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param done? fun(result: any)
local function request(client, method, params, done)
  client:request(method, params, function(err, result)
    if err then
      notify(err.message or tostring(err), vim.log.levels.ERROR)
    elseif done then
      done(result)
    end
  end)
end

-- Sessions ----------------------------------------------------------------------------------------------------------

--- Gives `done` the session the user is in, a new one when there is none.
---@param done fun(session: hermitcrab.Session, client: vim.lsp.Client)
---@param fresh? boolean always a new one
local function with_session(done, fresh)
  local sessions = require('hermitcrab.sessions')
  local session = sessions.current()
  local client = session and vim.lsp.get_client_by_id(session.client_id)
  if session and client and not fresh then
    return done(session, client)
  end
  client = client_or_tell()
  if client then
    request(client, 'hermitcrab/session/new', { cwd = client.root_dir or vim.fn.getcwd() }, function(result)
      done(sessions.opened(client, result), client)
    end)
  end
end

--- A turn began because of the user: its chat opens if it should.
---@param session hermitcrab.Session
---@param is_question boolean
local function turn_began(session, is_question)
  local open = require('hermitcrab').options.open
  if open == 'always' or (open == 'ask' and is_question) then
    require('hermitcrab.chat').open(session)
  end
end

--- Files the user names as `@path`, as links the agent reads itself.
---@param client vim.lsp.Client
---@param text string
---@return table[]
local function prompt_of(client, text)
  local prompt = { { type = 'text', text = text } }
  for name in text:gmatch('@([^%s,;:]+)') do
    local path = vim.fs.joinpath(client.root_dir or vim.fn.getcwd(), name)
    if vim.uv.fs_stat(path) then
      prompt[#prompt + 1] = { type = 'resource_link', uri = vim.uri_from_fname(path), name = name }
    end
  end
  return prompt
end

--- Says something in the session the user is in.
---@param text string
---@param taken? fun() the server has it
function M.send(text, taken)
  with_session(function(session, client)
    local params = { sessionId = session.id, prompt = prompt_of(client, text) }
    request(client, 'hermitcrab/session/prompt', params, function()
      turn_began(session, true)
      if taken then
        taken()
      end
    end)
  end)
end

-- Code actions ------------------------------------------------------------------------------------------------------

--- How the titles of our actions begin.
local titles = { ['hermitcrab.fix'] = 'Fix', ['hermitcrab.explain'] = 'Explain', ['hermitcrab.ask'] = 'Ask' }

--- Tells what an undo did, in one line.
---@param result table
local function tell_undo(result)
  local function names(paths)
    return table.concat(vim.tbl_map(function(path)
      return vim.fn.fnamemodify(path, ':t')
    end, paths), ', ')
  end
  local words = { #result.reverted > 0 and 'undone in ' .. names(result.reverted) or 'nothing to undo' }
  for _, kept in ipairs(result.kept or {}) do
    words[#words + 1] = ('left alone: %s (%s)'):format(vim.fn.fnamemodify(kept.path, ':t'), kept.reason)
  end
  if #(result.notCovered or {}) > 0 then
    words[#words + 1] = 'not covered: ' .. table.concat(result.notCovered, '; ')
  end
  notify(table.concat(words, ' · '), #(result.kept or {}) > 0 and vim.log.levels.WARN or nil)
end

--- Sends a command to the server, where it runs; the answer names the session that will tell the rest.
---@param client vim.lsp.Client
---@param command lsp.Command
local function execute(client, command)
  local params = { command = command.command, arguments = command.arguments }
  request(client, 'workspace/executeCommand', params, function(result)
    if type(result) ~= 'table' then
      return
    elseif result.reverted then
      tell_undo(result)
    elseif result.sessionId and titles[command.command] then
      local session = require('hermitcrab.sessions').choose(result.sessionId, client.id)
      turn_began(session, command.command ~= 'hermitcrab.fix')
    end
  end)
end

--- Runs a command of a code action; for *Ask…* the question is put to the user first.
---@param command lsp.Command
---@param ctx { client_id: integer }
function M.on_command(command, ctx)
  local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
  command = vim.deepcopy(command)
  local argument = (command.arguments or {})[1]
  if command.command ~= 'hermitcrab.ask' or (type(argument) == 'table' and argument.question) then
    return execute(client, command)
  end
  vim.ui.input({ prompt = 'Ask Hermitcrab: ' }, function(question)
    if question and vim.trim(question) ~= '' then
      command.arguments = { vim.tbl_extend('force', argument or vim.empty_dict(), { question = question }) }
      execute(client, command)
    end
  end)
end

---@class hermitcrab.Place
---@field bufnr integer
---@field range lsp.Range
---@field diagnostics lsp.Diagnostic[]

--- Returns where the user points: the cursor, or the lines of a range, with what our own server reports there.
---@param client vim.lsp.Client
---@param opts vim.api.keyset.create_user_command.command_args
---@return lsp.CodeActionParams
local function place(client, opts)
  local bufnr = api.nvim_get_current_buf()
  local encoding = client.offset_encoding
  local params ---@type lsp.CodeActionParams
  if opts.range > 0 then
    local last = api.nvim_buf_get_lines(bufnr, opts.line2 - 1, opts.line2, false)[1] or ''
    local from, to = { opts.line1, 0 }, { opts.line2, math.max(#last - 1, 0) }
    params = vim.lsp.util.make_given_range_params(from, to, bufnr, encoding)
  else
    params = vim.lsp.util.make_range_params(0, encoding)
  end
  local first, last = params.range.start.line, params.range['end'].line
  local diagnostics = {} ---@type lsp.Diagnostic[]
  for lnum = first, last do
    for _, diagnostic in ipairs(vim.diagnostic.get(bufnr, { lnum = lnum })) do
      local namespace = vim.diagnostic.get_namespace(diagnostic.namespace).name
      if namespace:find('lsp.hermitcrab.', 1, true) then
        diagnostics[#diagnostics + 1] = vim.tbl_get(diagnostic, 'user_data', 'lsp')
      end
    end
  end
  params.context = { diagnostics = diagnostics, triggerKind = 1 }
  return params
end

--- Returns the command of an action, whichever of the two forms it has.
---@param action lsp.CodeAction|lsp.Command
---@return lsp.Command?
local function command_of(action)
  return type(action.command) == 'table' and action.command or (type(action.command) == 'string' and action or nil)
end

--- Whether an action is for a verb: by its command, else by what it will be resolved from, else by its title.
---@param action table
---@param name string
local function is_for(action, name)
  local command = command_of(action)
  if command then
    return command.command == name
  end
  local verb = type(action.data) == 'table' and action.data.verb
  return verb and 'hermitcrab.' .. verb == name or not verb and vim.startswith(action.title, titles[name])
end

--- Takes the server's action of that name where the user points, as choosing it from the menu would.
---@param name string
---@param opts table
---@param question? string
---@param otherwise fun(client: vim.lsp.Client) the server offers none here
local function take_action(name, opts, question, otherwise)
  local client = client_or_tell()
  if not client then
    return
  end
  local bufnr = api.nvim_get_current_buf()
  local function run(action)
    local command = command_of(action)
    if action.edit then
      vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding)
    end
    if command then
      command = vim.deepcopy(command)
      if question then
        command.arguments = { vim.tbl_extend('force', (command.arguments or {})[1] or {}, { question = question }) }
      end
      M.on_command(command, { client_id = client.id })
    end
  end
  client:request('textDocument/codeAction', place(client, opts), function(err, actions)
    local found = err == nil and vim.iter(actions or {}):find(function(action)
      return is_for(action, name)
    end) or nil
    if err then
      notify(err.message, vim.log.levels.ERROR)
    elseif not found then
      otherwise(client)
    elseif found.disabled then
      notify(found.disabled.reason, vim.log.levels.WARN)
    elseif not found.command and client:supports_method('codeAction/resolve') then
      request(client, 'codeAction/resolve', found, run)
    else
      run(found)
    end
  end, bufnr)
end

-- Verbs -------------------------------------------------------------------------------------------------------------

---@class hermitcrab.Verb
---@field run fun(text: string, opts: table)
---@field complete? string[]|fun(): string[]

---@type table<string, hermitcrab.Verb>
local verbs = {}

verbs.fix = {
  run = function(_, opts)
    take_action('hermitcrab.fix', opts, nil, function()
      notify('nothing to fix here: the cursor is on no problem')
    end)
  end,
}

verbs.explain = {
  run = function(_, opts)
    take_action('hermitcrab.explain', opts, nil, function()
      notify('nothing to explain here')
    end)
  end,
}

verbs.ask = {
  run = function(text, opts)
    take_action('hermitcrab.ask', opts, text ~= '' and text or nil, function(client)
      local function send(question)
        if question and question ~= '' then
          M.send(question)
        end
      end
      if text ~= '' or not client then
        return send(text)
      end
      vim.ui.input({ prompt = 'Ask Hermitcrab: ' }, send)
    end)
  end,
}

verbs.send = {
  run = function(text)
    if text == '' then
      return verbs.chat.run('')
    end
    M.send(text)
  end,
}

--- Opens a session again; all of it is told anew.
---@param client vim.lsp.Client
---@param id string
local function load(client, id)
  local sessions = require('hermitcrab.sessions')
  local chat = require('hermitcrab.chat')
  local session = sessions.choose(id, client.id)
  chat.restart(session)
  local params = { sessionId = id, cwd = client.root_dir, afterSeq = 0 }
  request(client, 'hermitcrab/session/load', params, function(result)
    result.sessionId = id
    chat.open(sessions.opened(client, result), true)
  end)
end

local function choose_session()
  local client = client_or_tell()
  if not client then
    return
  end
  request(client, 'hermitcrab/session/list', { cwd = client.root_dir }, function(result)
    if #result.sessions == 0 then
      return notify('no sessions here yet')
    end
    vim.ui.select(result.sessions, {
      prompt = 'Sessions:',
      kind = 'hermitcrab_session',
      format_item = function(session)
        local title = session.title ~= '' and session.title or session.sessionId
        local turns = session.turns == 1 and 'one turn' or session.turns .. ' turns'
        local when = session.updatedAt:sub(1, 16):gsub('T', ' ')
        return ('%s  (%s, %s)'):format(title:gsub('%c', ' '), turns, when)
      end,
    }, function(session)
      if session then
        load(client, session.sessionId)
      end
    end)
  end)
end

verbs.chat = {
  complete = { 'new', 'list', 'close' },
  run = function(text)
    if text == 'close' then
      return require('hermitcrab.chat').close()
    elseif text == 'list' then
      return choose_session()
    end
    with_session(function(session)
      require('hermitcrab.chat').open(session, true)
    end, text == 'new')
  end,
}

verbs.cancel = {
  run = function()
    local session = require('hermitcrab.sessions').current()
    local client = session and vim.lsp.get_client_by_id(session.client_id)
    if not session or not client then
      return notify('nothing runs')
    end
    request(client, 'hermitcrab/session/cancel', { sessionId = session.id }, function(result)
      if not result.cancelled then
        notify('nothing runs')
      end
    end)
  end,
}

verbs.undo = {
  run = function()
    local session = require('hermitcrab.sessions').current()
    local client = session and vim.lsp.get_client_by_id(session.client_id)
    if not session or not client then
      return notify('there is no turn to undo yet')
    end
    request(client, 'hermitcrab/review/undo', { sessionId = session.id, turnId = session.turn }, tell_undo)
  end,
}

verbs.mode = {
  complete = { 'default', 'acceptEdits', 'plan', 'bypass' },
  run = function(text)
    with_session(function(session, client)
      local function set(mode)
        if mode then
          request(client, 'hermitcrab/session/setMode', { sessionId = session.id, modeId = mode }, function()
            session.mode = mode
            notify('mode: ' .. mode)
          end)
        end
      end
      if text ~= '' then
        return set(text)
      end
      local modes = session.modes or vim.tbl_map(function(id)
        return { id = id, name = id, description = '' }
      end, verbs.mode.complete)
      vim.ui.select(modes, {
        prompt = ('Mode (now %s):'):format(session.mode or 'default'),
        kind = 'hermitcrab_mode',
        format_item = function(mode)
          return mode.description ~= '' and ('%s: %s'):format(mode.name, mode.description) or mode.name
        end,
      }, function(mode)
        set(mode and mode.id)
      end)
    end)
  end,
}

verbs.trust = {
  complete = { 'yes', 'no' },
  run = function(text)
    local client = client_or_tell()
    if not client then
      return
    end
    local cwd = client.root_dir or vim.fn.getcwd()
    local function set(trusted)
      request(client, 'hermitcrab/trust/set', { cwd = cwd, trusted = trusted }, function(result)
        notify(('%s is %s'):format(result.cwd, result.trusted and 'trusted' or 'not trusted'))
      end)
    end
    if text ~= '' then
      return set(text == 'yes')
    end
    request(client, 'hermitcrab/trust/get', { cwd = cwd }, function(result)
      local choices = result.trusted and { 'Keep trusting it', 'Trust it no longer' }
        or { 'Do not trust it', 'Trust it: what this folder brings may run' }
      local prompt = ('%s is %s'):format(result.cwd, result.trusted and 'trusted' or 'not trusted')
      vim.ui.select(choices, { prompt = prompt, kind = 'hermitcrab_trust' }, function(_, index)
        if index == 2 then
          set(not result.trusted)
        end
      end)
    end)
  end,
}

verbs.status = {
  run = function()
    local client = client_or_tell()
    if not client then
      return
    end
    request(client, 'hermitcrab/status', vim.empty_dict(), function(result)
      local words = {
        'version ' .. result.version,
        'model ' .. result.model,
        'mode ' .. result.mode,
        result.trusted and 'folder trusted' or 'folder not trusted',
        ('%d running'):format(result.running),
      }
      notify(table.concat(words, ' · '))
    end)
  end,
}

verbs.log = {
  run = function()
    vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    vim.cmd.normal({ 'G', bang = true })
  end,
}

--- Runs `:Hermitcrab …`.
---@param opts vim.api.keyset.create_user_command.command_args
function M.run(opts)
  local name, text = opts.args:match('^(%S*)%s*(.-)%s*$')
  local verb = verbs[name ~= '' and name or 'chat']
  if not verb then
    local known = table.concat(vim.fn.sort(vim.tbl_keys(verbs)), ', ')
    return notify(('`%s` is not a verb; there are %s'):format(name, known), vim.log.levels.ERROR)
  end
  verb.run(text, opts)
end

--- Completes verbs and their words.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local before = line:sub(1, #line - #lead)
  local name = before:match('Hermitcrab%s+(%S+)%s+$')
  local words = name and (verbs[name] or {}).complete or {}
  if before:match('Hermitcrab%s+$') then
    words = vim.fn.sort(vim.tbl_keys(verbs))
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, words)
end

return M
