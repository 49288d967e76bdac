#!/bin/sh
# setup-neovim.sh: a real Neovim (0.11 or newer) beside the system's own, and tmux to type into it.
# usage: setup-neovim.sh            install what is missing, print versions and the path of nvim
#        setup-neovim.sh --check    exit 0 and print the versions if installed, else exit 1
# It lands in $HERMITCRAB_EDITORS/bin/nvim (default ~/.cache/hermitcrab-editors/bin/nvim).
# HERMITCRAB_NVIM_SUITE picks the Debian suite it is taken from (default forky).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/debroot.sh"
suite=${HERMITCRAB_NVIM_SUITE:-forky}
recent='lua if vim.fn.has("nvim-0.11") == 0 then vim.cmd.cquit() end'
check() {
    [ -x "$BIN/nvim" ] || return 1
    "$BIN/nvim" --clean --headless -c "$recent" -c qa >/dev/null 2>&1 || return 1
    "$BIN/nvim" --version | head -n 1
}
case ${1:-} in
    '') ;;
    --check)
        check || { say "neovim: not installed; run tests/editors/setup/setup-neovim.sh"; exit 1; }
        sh "$here/setup-tmux.sh" --check
        exit 0 ;;
    *) die "usage: setup-neovim.sh [--check]" ;;
esac
# Another suite than the installed one means another Neovim, so the stamp is asked too.
stamp="$ROOTS/neovim/.stamp"
if [ "$(head -n 1 "$stamp" 2>/dev/null)" != "$suite neovim" ] || ! check >/dev/null; then
    debroot neovim "$suite" neovim
    root="$ROOTS/neovim"
    patch_elf "$root" "$root/usr/bin/nvim"
    wrapper nvim <<X
#!/bin/sh
export VIMRUNTIME="$root/usr/share/nvim/runtime"
exec "$root/usr/bin/nvim" "\$@"
X
    check >/dev/null || die "nvim from Debian $suite does not run, or is older than 0.11; set HERMITCRAB_NVIM_SUITE"
fi
sh "$here/setup-tmux.sh"
check
printf '%s\n' "$BIN/nvim"
