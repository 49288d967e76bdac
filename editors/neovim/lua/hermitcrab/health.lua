-- `:checkhealth hermitcrab`: what is missing, and what to do about it.
local M = {}
local health = vim.health

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. version)
  else
    health.error('Neovim ' .. version .. ' is too old', 'Install Neovim 0.11 or newer')
  end
end

local function check_server()
  local cmd = (vim.lsp.config.hermitcrab or {}).cmd
  if type(cmd) ~= 'table' then
    return health.info('the server is started by a function; nothing to check')
  end
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    return health.error(('`%s` is not executable'):format(cmd[1]), {
      'Install it: `pip install hermitcrab` or `uv tool install hermitcrab`',
      "Or say where it is: `vim.lsp.config('hermitcrab', { cmd = { '/path/to/hermitcrab', 'lsp' } })`",
    })
  end
  local done = vim.system({ path, '--version' }, { text = true, timeout = 10000 }):wait()
  if done.code == 0 then
    health.ok(('%s (%s)'):format(vim.trim(done.stdout), path))
  else
    health.error(('`%s --version` failed'):format(path), vim.trim(done.stderr or ''))
  end
end

local function check_enabled()
  if vim.lsp.is_enabled and not vim.lsp.is_enabled('hermitcrab') then
    return health.warn('the server is not enabled', "Call `vim.lsp.enable('hermitcrab')`")
  end
  local clients = vim.lsp.get_clients({ name = 'hermitcrab' })
  if #clients == 0 then
    return health.info('no server runs yet; it starts with the first file you open')
  end
  for _, client in ipairs(clients) do
    health.ok(('runs in %s, positions in %s'):format(client.root_dir or 'no folder', client.offset_encoding))
    local theirs = vim.tbl_get(client.server_capabilities, 'experimental', 'hermitcrab', 'version')
    if theirs and theirs ~= 1 then
      health.warn(('the server speaks protocol %s, this plugin 1'):format(theirs), 'Update the older of the two')
    end
  end
end

local function check_model()
  local client = vim.lsp.get_clients({ name = 'hermitcrab' })[1]
  if not client then
    return
  end
  local answer = client:request_sync('hermitcrab/status', vim.empty_dict(), 3000)
  if not answer or answer.err then
    return health.warn('the server does not answer', 'See `:Hermitcrab log`')
  end
  local status = answer.result
  if status.model == 'offline' then
    health.warn('no model is configured: simple fixes by rule only', 'Run `hermitcrab doctor` in a terminal')
  else
    health.ok('model ' .. status.model)
  end
  health.info(status.trusted and 'this folder is trusted' or 'this folder is not trusted: nothing it brings runs')
end

--- Runs all checks.
function M.check()
  health.start('hermitcrab')
  check_neovim()
  check_server()
  check_enabled()
  check_model()
end

return M
