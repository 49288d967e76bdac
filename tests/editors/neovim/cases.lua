-- What the plugin must do, each case alone in a fresh Neovim; the server is puppet.py.
local M = {}
local api = vim.api

local TEXT = '# 蟹 and 🦀 live here\nname = "🦀 蟹" + nmae\nprint(name)\n'

function M.an_edit_lands_behind_emoji_and_cjk_and_is_one_undo(T)
  local bufnr, uri = T.open('a.py', TEXT)
  api.nvim_buf_set_lines(bufnr, 3, 3, false, { '# mine' }) -- the buffer is dirty before the edit
  local dirty = T.lines()
  local version = vim.lsp.util.buf_versions[bufnr]
  local answer = T.edit({ T.change(uri, version, 1, 16, 20, 'name') })
  T.equal(answer.applied, true)
  T.equal(T.lines()[2], 'name = "🦀 蟹" + name')
  T.equal(vim.bo[bufnr].modified, true)
  T.type('u')
  T.equal(T.lines(), dirty, 'one undo takes back the edit and nothing else')
  T.equal(vim.fn.readfile(api.nvim_buf_get_name(bufnr)), { '# 蟹 and 🦀 live here', 'name = "🦀 蟹" + nmae', 'print(name)' })
end

function M.two_edits_are_two_undos(T)
  local bufnr, uri = T.open('a.py', TEXT)
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 2, 0, 5, 'PRINT') })
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 2, 6, 10, 'NAME') })
  T.equal(T.lines()[3], 'PRINT(NAME)')
  T.type('u')
  T.equal(T.lines()[3], 'PRINT(name)')
  T.type('u')
  T.equal(T.lines()[3], 'print(name)')
end

function M.an_edit_of_older_text_is_refused_whole(T)
  local other, other_uri = T.open('b.py', 'b = 1\n')
  local bufnr, uri = T.open('a.py', TEXT)
  local old = vim.lsp.util.buf_versions[bufnr]
  api.nvim_buf_set_lines(bufnr, 0, 0, false, { '# typed' })
  local answer = T.edit({
    T.change(other_uri, vim.lsp.util.buf_versions[other], 0, 0, 1, 'c'),
    T.change(uri, old, 1, 16, 20, 'name'),
  })
  T.equal(answer.applied, false)
  assert(answer.failureReason:find('stale', 1, true), answer.failureReason)
  T.equal(T.lines(other), { 'b = 1' })
  T.equal(T.lines()[3], 'name = "🦀 蟹" + nmae')
end

function M.an_edit_moves_no_cursor_in_two_splits(T)
  local bufnr, uri = T.open('a.py', ('x = 1\n'):rep(100))
  local first = api.nvim_get_current_win()
  vim.cmd.split()
  api.nvim_win_set_cursor(0, { 90, 3 })
  api.nvim_win_set_cursor(first, { 10, 2 })
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 4, 0, 0, 'new\nlines\n') })
  T.equal(api.nvim_win_get_cursor(0), { 92, 3 })
  T.equal(api.nvim_win_get_cursor(first), { 12, 2 })
end

function M.a_clean_buffer_is_saved_on_request_with_autocommands(T)
  local bufnr, uri = T.open('a.py', TEXT)
  local hooks = {}
  for _, event in ipairs({ 'BufWritePre', 'BufWritePost' }) do
    api.nvim_create_autocmd(event, {
      buffer = bufnr,
      callback = function()
        hooks[#hooks + 1] = event
      end,
    })
  end
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 1, 16, 20, 'name') })
  T.equal(T.send('hermitcrab/editor/save', { uri = uri }, true), { saved = true })
  T.equal(hooks, { 'BufWritePre', 'BufWritePost' })
  T.equal(vim.fn.readfile(api.nvim_buf_get_name(bufnr))[2], 'name = "🦀 蟹" + name')
  T.equal(vim.bo[bufnr].modified, false)
end

function M.what_the_user_typed_is_not_saved_for_them(T)
  local bufnr, uri = T.open('a.py', TEXT)
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 1, 16, 20, 'name') })
  api.nvim_buf_set_lines(bufnr, 0, 0, false, { '# half a tho' })
  T.equal(T.send('hermitcrab/editor/save', { uri = uri }, true), { saved = false })
  T.equal(vim.fn.readfile(api.nvim_buf_get_name(bufnr))[2], 'name = "🦀 蟹" + nmae')
  assert(T.notified[1][1]:find('changed by you', 1, true), vim.inspect(T.notified))
end

function M.a_file_changed_on_disk_is_not_overwritten(T)
  local bufnr, uri = T.open('a.py', TEXT)
  local path = api.nvim_buf_get_name(bufnr)
  T.edit({ T.change(uri, vim.lsp.util.buf_versions[bufnr], 1, 16, 20, 'name') })
  vim.fn.writefile({ 'somebody else' }, path)
  T.equal(T.send('hermitcrab/editor/save', { uri = uri }, true), { saved = false })
  T.equal(vim.fn.readfile(path), { 'somebody else' })
end

function M.a_file_open_nowhere_is_not_saved_and_not_opened(T)
  T.open('a.py', TEXT)
  local before = #api.nvim_list_bufs()
  local uri = vim.uri_from_fname(T.root .. '/other.py')
  T.equal(T.send('hermitcrab/editor/save', { uri = uri }, true), { saved = false })
  T.equal(#api.nvim_list_bufs(), before)
end

local function problem(name, lnum, from, to)
  return { lnum = lnum, end_lnum = lnum, col = from, end_col = to, message = name, severity = 1, source = name, code = 'E1' }
end

function M.diagnostics_of_others_are_told_in_the_servers_units(T)
  local bufnr, uri = T.open('a.py', TEXT)
  local none = { version = vim.lsp.util.buf_versions[bufnr], diagnostics = {} }
  T.equal(T.send('hermitcrab/editor/diagnostics', { uri = uri }, true), none, 'nobody else reports here')
  local others = api.nvim_create_namespace('some.linter')
  vim.diagnostic.set(others, bufnr, { problem('linter', 1, 20, 24) }) -- bytes
  T.send('textDocument/publishDiagnostics', {
    uri = uri,
    diagnostics = { { range = { start = { line = 0, character = 0 }, ['end'] = { line = 0, character = 1 } }, message = 'ours', source = 'ruff' } },
  })
  T.wait_for('our own diagnostic', function()
    return #vim.diagnostic.get(bufnr) == 2
  end)
  local answer = T.send('hermitcrab/editor/diagnostics', { uri = uri }, true)
  T.equal(answer.diagnostics, {
    {
      range = { start = { line = 1, character = 16 }, ['end'] = { line = 1, character = 20 } },
      severity = 1,
      message = 'linter',
      source = 'linter',
      code = 'E1',
    },
  })
  T.equal(answer.version, vim.lsp.util.buf_versions[bufnr])
  api.nvim_buf_set_lines(bufnr, 0, 0, false, { '# typed since' })
  local later = T.send('hermitcrab/editor/diagnostics', { uri = uri }, true)
  T.equal(later.version, answer.version, 'the set does not belong to the text typed since')
end

function M.diagnostics_of_others_are_pushed_when_they_change(T)
  local bufnr, uri = T.open('a.py', TEXT)
  local others = api.nvim_create_namespace('some.linter')
  vim.diagnostic.set(others, bufnr, { problem('linter', 2, 0, 5) })
  T.wait_for('the push', function()
    return #T.heard('hermitcrab/editor/didChangeDiagnostics') == 1
  end)
  local told = T.heard('hermitcrab/editor/didChangeDiagnostics')[1]
  T.equal({ told.uri, told.diagnostics[1].message }, { uri, 'linter' })
  vim.diagnostic.reset(others, bufnr)
  T.wait_for('the empty push', function()
    local all = T.heard('hermitcrab/editor/didChangeDiagnostics')
    return #all == 2 and #all[2].diagnostics == 0
  end)
  T.equal(#T.heard('hermitcrab/editor/didFocus'), 1)
end

function M.capabilities_are_declared(T)
  T.open('a.py', TEXT)
  T.equal(T.heard('initialize')[1].capabilities.experimental.hermitcrab, {
    version = 1,
    permission = true,
    save = true,
    diagnostics = true,
  })
end

-- Permission --------------------------------------------------------------------------------------------------------

local function question(id, detail)
  return {
    sessionId = 's1',
    requestId = id,
    toolCall = { toolCallId = 'call_' .. id },
    title = 'Run a command',
    detail = detail or 'rm -rf build',
    options = {
      { optionId = 'yes', name = 'Allow once', kind = 'allow_once' },
      { optionId = 'always', name = 'Allow for this session', kind = 'allow_always' },
      { optionId = 'no', name = 'No', kind = 'reject_once' },
    },
  }
end

--- Answers questions as `pick` says; returns what was asked, with what could be read above it.
local function answering(pick)
  local asked = {}
  vim.ui.select = function(items, opts, done)
    local shown = {}
    for _, win in ipairs(api.nvim_list_wins()) do
      if api.nvim_win_get_config(win).relative ~= '' then
        shown = api.nvim_buf_get_lines(api.nvim_win_get_buf(win), 0, -1, false)
      end
    end
    asked[#asked + 1] = { opts.prompt, shown, vim.tbl_map(opts.format_item, items) }
    pick(items, done, #asked)
  end
  return asked
end

function M.a_permission_question_is_answered_with_the_option(T)
  T.open('a.py', TEXT)
  local asked = answering(function(items, done)
    done(items[2], 2)
  end)
  local answer = T.send('hermitcrab/permission/request', question('1', 'echo one\necho \226\128\174two'), true)
  T.equal(answer, { outcome = { outcome = 'selected', optionId = 'always' } })
  T.equal(asked, {
    { 'Hermitcrab asks: Run a command?', { 'echo one', 'echo <U+202E>two' }, { 'Allow once', 'Allow for this session', 'No' } },
  })
  T.equal(#api.nvim_list_wins(), 1, 'the float is gone')
end

function M.a_question_that_is_closed_is_a_no(T)
  T.open('a.py', TEXT)
  answering(function(_, done)
    done(nil)
  end)
  local answer = T.send('hermitcrab/permission/request', question('1'), true)
  T.equal(answer, { outcome = { outcome = 'selected', optionId = 'no' } })
end

function M.questions_come_one_at_a_time(T)
  T.open('a.py', TEXT)
  local open, most, answers = 0, 0, {}
  answering(function(items, done)
    open = open + 1
    most = math.max(most, open)
    vim.defer_fn(function()
      open = open - 1
      done(items[1], 1)
    end, 50)
  end)
  for _, id in ipairs({ '1', '2', '3' }) do
    T.ask('hermitcrab/permission/request', question(id), function(answer)
      answers[#answers + 1] = answer.outcome.optionId
    end)
  end
  T.wait_for('three answers', function()
    return #answers == 3
  end)
  T.equal({ most, answers }, { 1, { 'yes', 'yes', 'yes' } })
end

function M.a_question_is_withdrawn_with_its_turn(T)
  T.open('a.py', TEXT)
  local late, answer
  answering(function(items, done)
    late = function()
      done(items[1], 1)
    end
  end)
  T.ask('hermitcrab/permission/request', question('1'), function(result)
    answer = result
  end)
  T.wait_for('the question', function()
    return late
  end)
  T.update({ sessionUpdate = 'state_update', state = 'idle', stopReason = 'cancelled' })
  T.wait_for('the withdrawal', function()
    return answer
  end)
  T.equal(answer, { outcome = { outcome = 'cancelled' } })
  late()
  T.equal(#api.nvim_list_wins(), 1, 'the float is gone')
end

function M.a_long_text_cannot_be_allowed_unread(T)
  T.open('a.py', TEXT)
  local asked = answering(function(items, done, count)
    done(items[1], 1)
    if count == 1 then
      vim.schedule(function()
        T.equal(api.nvim_buf_line_count(0), 500, 'all of it is in the window')
        vim.cmd.close()
      end)
    end
  end)
  local answer = T.send('hermitcrab/permission/request', question('1', ('line\n'):rep(499) .. 'last'), true)
  T.equal(asked[1][3], { 'Read all of it first (500 lines)', 'No' })
  T.equal(asked[2][3], { 'Allow once', 'Allow for this session', 'No' })
  T.equal(answer.outcome.optionId, 'yes')
end

-- Commands ----------------------------------------------------------------------------------------------------------

function M.ask_puts_the_question_into_the_commands_argument(T)
  local _, uri = T.open('a.py', TEXT)
  local command = { title = 'Ask…', command = 'hermitcrab.ask', arguments = { { uri = uri, extra = 1 } } }
  T.reply('textDocument/codeAction', { { title = 'Ask Hermitcrab about `name`…', kind = 'refactor.rewrite', command = command } })
  T.reply('workspace/executeCommand', { sessionId = 's1', turnId = 't1' })
  vim.ui.input = function(_, done)
    done('why?')
  end
  vim.lsp.buf.code_action({ apply = true })
  T.wait_for('the command', function()
    return #T.heard('workspace/executeCommand') == 1
  end)
  vim.cmd('Hermitcrab ask and how?')
  T.wait_for('the second command', function()
    return #T.heard('workspace/executeCommand') == 2
  end)
  local sent = T.heard('workspace/executeCommand')
  T.equal(sent[1], { command = 'hermitcrab.ask', arguments = { { uri = uri, extra = 1, question = 'why?' } } })
  T.equal(sent[2].arguments, { { uri = uri, extra = 1, question = 'and how?' } })
end

function M.fix_sends_what_others_report_and_resolves_the_action(T)
  local bufnr, uri = T.open('a.py', TEXT)
  local others = api.nvim_create_namespace('some.linter')
  vim.diagnostic.set(others, bufnr, { problem('linter', 1, 20, 24) })
  T.reply('textDocument/codeAction', { { title = 'Fix with Hermitcrab: linter', kind = 'quickfix', data = { verb = 'fix', number = 7 } } })
  T.reply('codeAction/resolve', {
    title = 'Fix with Hermitcrab: linter',
    command = { title = 'Fix', command = 'hermitcrab.fix', arguments = { { uri = uri } } },
  })
  T.reply('workspace/executeCommand', { sessionId = 's1', turnId = 't1' })
  api.nvim_win_set_cursor(0, { 2, 22 })
  vim.cmd('Hermitcrab fix')
  T.wait_for('the command', function()
    return #T.heard('workspace/executeCommand') == 1
  end)
  local context = T.heard('textDocument/codeAction')[1].context
  T.equal(#context.diagnostics, 1)
  T.equal(context.diagnostics[1].range.start, { line = 1, character = 16 })
  T.equal(T.heard('codeAction/resolve')[1].data, { verb = 'fix', number = 7 })
end

function M.the_lightbulb_knows_what_others_report(T)
  local bufnr = T.open('a.py', TEXT)
  local others = api.nvim_create_namespace('some.linter')
  vim.diagnostic.set(others, bufnr, { problem('linter', 1, 20, 24), problem('elsewhere', 2, 0, 5) })
  T.reply('textDocument/codeAction', {})
  api.nvim_win_set_cursor(0, { 2, 22 })
  vim.lsp.buf.code_action()
  T.wait_for('the request', function()
    return #T.heard('textDocument/codeAction') == 1
  end)
  local told = T.heard('textDocument/codeAction')[1].context.diagnostics
  T.equal({ #told, told[1].message }, { 1, 'linter' })
end

function M.a_disabled_action_says_why(T)
  T.open('a.py', TEXT)
  T.reply('textDocument/codeAction', { { title = 'Explain `x`', kind = 'refactor.rewrite', disabled = { reason = 'no model' } } })
  vim.cmd('Hermitcrab explain')
  T.wait_for('the reason', function()
    return T.notified[1] and T.notified[1][1]:find('no model', 1, true)
  end)
end

function M.verbs_are_completed(T)
  T.open('a.py', TEXT)
  T.equal(vim.fn.getcompletion('Hermitcrab c', 'cmdline'), { 'cancel', 'chat' })
  T.equal(vim.fn.getcompletion('Hermitcrab mode a', 'cmdline'), { 'acceptEdits' })
  vim.cmd('Hermitcrab dance')
  assert(T.notified[1][1]:find('`dance` is not a verb', 1, true))
end

function M.a_prompt_names_files_as_links(T)
  T.open('a.py', TEXT)
  T.reply('hermitcrab/session/new', { sessionId = 's1', model = 'm', modes = { currentModeId = 'default', availableModes = {} }, trusted = true })
  T.reply('hermitcrab/session/prompt', { turnId = 't1' })
  vim.cmd('Hermitcrab send look at @a.py and @missing.py')
  T.wait_for('the prompt', function()
    return #T.heard('hermitcrab/session/prompt') == 1
  end)
  T.equal(T.heard('hermitcrab/session/prompt')[1], {
    sessionId = 's1',
    prompt = {
      { type = 'text', text = 'look at @a.py and @missing.py' },
      { type = 'resource_link', uri = vim.uri_from_fname(vim.fs.joinpath(T.client.root_dir, 'a.py')), name = 'a.py' },
    },
  })
  T.equal(#api.nvim_tabpage_list_wins(0), 2, 'the chat is open')
  T.equal(vim.bo.filetype, 'python', 'and the focus is where it was')
end

-- The chat ----------------------------------------------------------------------------------------------------------

--- Opens the chat of s1 beside the code; returns its window and buffer.
local function chat(T)
  T.open('a.py', TEXT)
  require('hermitcrab.chat').open(require('hermitcrab.sessions').choose('s1', T.client.id))
  local window = require('hermitcrab.chat').window()
  return window, api.nvim_win_get_buf(window)
end

local function settled(T, bufnr, last)
  T.wait_for('`' .. last .. '` in the chat', function()
    return table.concat(T.lines(bufnr), '\n'):find(last, 1, true)
  end)
end

local function says(text, message, offset)
  return { sessionUpdate = 'agent_message_chunk', messageId = message, offset = offset, content = { type = 'text', text = text } }
end

function M.the_chat_tells_a_turn(T)
  local _, bufnr = chat(T)
  T.update({ sessionUpdate = 'user_message_chunk', messageId = 't1', content = { type = 'text', text = 'Fix it' } })
  T.update({ sessionUpdate = 'state_update', state = 'running', turnId = 't1' })
  T.update(says('I will ', 'm1', 0))
  T.update(says('will look.\n\nTwice', 'm1', 2)) -- overlaps what is shown
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c1', title = 'Read', kind = 'read', status = 'pending' })
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c2', title = 'Edit', kind = 'edit', status = 'pending' })
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c1', title = 'Read a.py', kind = 'read', status = 'in_progress' })
  T.update({ sessionUpdate = 'tool_call_update', toolCallId = 'c1', status = 'completed', content = { { type = 'content', content = { type = 'text', text = 'one\ntwo\n' } } } })
  T.update({
    sessionUpdate = 'tool_call_update',
    toolCallId = 'c2',
    content = { { type = 'diff', path = T.root .. '/a.py', oldText = 'nmae\n', newText = 'name\n' } },
    rawOutput = { saved = false, created = false },
  })
  T.update({ sessionUpdate = 'tool_call_update', toolCallId = 'c2', status = 'completed', content = { { type = 'content', content = { type = 'text', text = 'edited' } } }, rawOutput = { status = 'completed', notes = {} } })
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c3', title = 'Bash rm -rf /', kind = 'execute', status = 'in_progress' })
  T.update({ sessionUpdate = 'tool_call_update', toolCallId = 'c3', status = 'failed', content = { { type = 'content', content = { type = 'text', text = 'denied by the user' } } } })
  T.update({ sessionUpdate = 'plan', entries = { { content = 'look', status = 'completed' }, { content = 'fix', status = 'pending' } } })
  T.update(says('Done.', 'm2', 0))
  T.update({ sessionUpdate = 'some_later_kind', anything = true })
  T.update({ sessionUpdate = 'state_update', state = 'idle', turnId = 't1', stopReason = 'end_turn' })
  settled(T, bufnr, 'Done.')
  T.equal(T.lines(bufnr), {
    '## You', '', 'Fix it', '',
    '## Hermitcrab', '', 'I will look.', '', 'Twice', '',
    '✓ Read a.py', '  │ one', '  │ two', '',
    '✓ Edit  (not saved)', '  ┃ a.py', '  ┃ - nmae', '  ┃ + name', '',
    '✗ Bash rm -rf /  (denied by the user)', '',
    'Plan', '  ✓ look', '  ○ fix', '',
    'Done.', '', '',
  })
end

function M.streaming_follows_only_who_is_at_the_end(T)
  local window, bufnr = chat(T)
  local code = api.nvim_get_current_win()
  T.update(says(('line\n'):rep(200), 'm1', 0))
  settled(T, bufnr, 'line')
  T.wait_for('the window at the end', function()
    return api.nvim_win_get_cursor(window)[1] == api.nvim_buf_line_count(bufnr)
  end)
  api.nvim_win_set_cursor(window, { 50, 2 })
  local second = api.nvim_open_win(bufnr, false, { split = 'below', win = window })
  api.nvim_win_set_cursor(second, { api.nvim_buf_line_count(bufnr), 0 })
  T.update(says('and the end', 'm1', 1000))
  settled(T, bufnr, 'and the end')
  T.equal(api.nvim_win_get_cursor(window), { 50, 2 }, 'who reads is left alone')
  T.equal(api.nvim_win_get_cursor(second)[1], api.nvim_buf_line_count(bufnr), 'who waits follows')
  T.equal(api.nvim_get_current_win(), code, 'the focus is where it was')
end

function M.a_long_stream_costs_no_more_at_its_end(T)
  local _, bufnr = chat(T)
  local on_update = require('hermitcrab.sessions').on_update
  local function cpu_ms()
    local used = vim.uv.getrusage()
    return (used.utime.sec + used.stime.sec) * 1000 + (used.utime.usec + used.stime.usec) / 1000
  end
  T.update({ sessionUpdate = 'state_update', state = 'running', turnId = 't1' })
  local costs = {}
  for _ = 1, 4 do
    local start = cpu_ms()
    for index = 1, 5000 do
      local text = 'word ' .. (index % 20 == 0 and '\n' or '')
      on_update(nil, { sessionId = 's1', update = says(text, 'm1') }, { client_id = T.client.id })
      if index % 200 == 0 then
        vim.wait(35) -- as long as a repaint is put off
      end
    end
    costs[#costs + 1] = cpu_ms() - start
  end
  T.wait_for('all words', function()
    return api.nvim_buf_line_count(bufnr) > 1000
  end)
  io.stdout:write('CPU ms for 5,000 pieces each: ', table.concat(costs, ', '), '\n')
  assert(costs[4] < 2 * costs[1], 'it grows dearer: ' .. table.concat(costs, ', '))
  T.update({ sessionUpdate = 'state_update', state = 'idle', turnId = 't1', stopReason = 'end_turn' })
  T.wait_for('the colours', function()
    return vim.treesitter.highlighter.active[bufnr]
  end)
end

function M.live_output_shows_its_end_then_folds(T)
  local window, bufnr = chat(T)
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c1', title = 'Bash make', kind = 'execute', status = 'in_progress' })
  for index = 1, 30 do
    T.update({ sessionUpdate = 'tool_call_update', toolCallId = 'c1', appended = ('step %d\n'):format(index) })
  end
  settled(T, bufnr, 'step 30')
  T.equal(#vim.tbl_filter(function(line)
    return line:find('┃ step', 1, true)
  end, T.lines(bufnr)), 8)
  local all = {}
  for index = 1, 1000 do
    all[index] = 'step ' .. index
  end
  T.update({ sessionUpdate = 'tool_call_update', toolCallId = 'c1', status = 'completed', content = { { type = 'content', content = { type = 'text', text = table.concat(all, '\n') } } } })
  settled(T, bufnr, 'step 1000')
  assert(#T.lines(bufnr) < 200, 'long output is shortened')
  assert(vim.tbl_contains(T.lines(bufnr), '  │ … 820 lines left out …'))
  api.nvim_win_call(window, function()
    local line = vim.fn.search('│ step 1$', 'nw')
    T.equal(vim.fn.foldclosed(line), line, 'and folded')
  end)
end

function M.a_server_that_dies_ends_the_turn_in_words(T)
  local _, bufnr = chat(T)
  T.update({ sessionUpdate = 'state_update', state = 'running', turnId = 't1' })
  T.client.rpc.terminate()
  settled(T, bufnr, 'the server was stopped by signal')
  T.equal(require('hermitcrab').status(), '')
end

function M.status_tells_model_mode_and_state(T)
  T.open('a.py', TEXT)
  T.send('hermitcrab/status', { version = '0', model = 'scripted', mode = 'default', trusted = true, running = 0 })
  T.equal(require('hermitcrab').status(), 'hermitcrab: scripted · ready')
  T.update({ sessionUpdate = 'state_update', state = 'running', turnId = 't1' })
  T.update({ sessionUpdate = 'tool_call', toolCallId = 'c1', title = 'Read a.py', status = 'in_progress' })
  T.update({ sessionUpdate = 'usage_update', used = 500, size = 1000 })
  T.equal(require('hermitcrab').status(), '● hermitcrab: scripted · 50% of context · Read a.py')
end

return M
