-- Makes `:Hermitcrab` known and enables the language server; everything else loads when it is needed.
if vim.g.loaded_hermitcrab then
  return
end
vim.g.loaded_hermitcrab = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Hermitcrab needs Neovim 0.11 or newer', vim.log.levels.WARN)
  return
end

vim.api.nvim_create_user_command('Hermitcrab', function(opts)
  require('hermitcrab.commands').run(opts)
end, {
  nargs = '*',
  range = true,
  desc = 'The coding agent in your editor',
  complete = function(lead, line)
    return require('hermitcrab.commands').complete(lead, line)
  end,
})

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('hermitcrab', { clear = true }),
  desc = 'Tell Hermitcrab what this buffer shows',
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'hermitcrab' then
      require('hermitcrab.bridge').attach(client, event.buf)
    end
  end,
})

if vim.g.hermitcrab_enable ~= false then
  vim.lsp.enable('hermitcrab')
end
