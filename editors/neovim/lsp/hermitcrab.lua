-- How Neovim starts Hermitcrab. Change any of it with `vim.lsp.config('hermitcrab', { … })`.

--- Loads a module at its first use, so that starting Neovim costs nothing.
---@param module string
---@param name string
local function late(module, name)
  return function(...)
    return require('hermitcrab.' .. module)[name](...)
  end
end

---@type vim.lsp.Config
return {
  cmd = { 'hermitcrab', 'lsp' },
  root_markers = { '.hermitcrab', '.git', '.hg', 'pyproject.toml', 'package.json', 'go.mod', 'Cargo.toml' },
  capabilities = {
    experimental = {
      hermitcrab = {
        version = 1,
        permission = true,
        save = true,
        diagnostics = true,
      },
    },
  },
  -- The agent waits for the echo of its edits; Neovim's own pause of 150 ms would be felt.
  flags = { debounce_text_changes = 30 },
  handlers = {
    ['hermitcrab/session/update'] = late('sessions', 'on_update'),
    ['hermitcrab/status'] = late('sessions', 'on_status'),
    ['hermitcrab/permission/request'] = late('permission', 'on_request'),
    ['hermitcrab/editor/save'] = late('bridge', 'on_save'),
    ['hermitcrab/editor/diagnostics'] = late('bridge', 'on_diagnostics'),
    ['workspace/applyEdit'] = late('bridge', 'on_apply_edit'),
  },
  -- Code actions carry these commands; ours ask what the server cannot and remember which session answers.
  commands = {
    ['hermitcrab.fix'] = late('commands', 'on_command'),
    ['hermitcrab.ask'] = late('commands', 'on_command'),
    ['hermitcrab.explain'] = late('commands', 'on_command'),
    ['hermitcrab.undoTurn'] = late('commands', 'on_command'),
    ['hermitcrab.cancel'] = late('commands', 'on_command'),
  },
  on_exit = late('sessions', 'on_exit'),
}
