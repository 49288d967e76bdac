#!/bin/sh
# setup-tmux.sh: tmux, through which the tests type into an editor and read its screen.
# usage: setup-tmux.sh            install it through apt if missing (as root), print its version
#        setup-tmux.sh --check    exit 0 and print the version if installed, else exit 1
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/debroot.sh"
case ${1:-} in
    '') ;;
    --check)
        command -v tmux >/dev/null || { say "tmux: not installed; run tests/editors/setup/setup-tmux.sh"; exit 1; }
        tmux -V; exit 0 ;;
    *) die "usage: setup-tmux.sh [--check]" ;;
esac
if ! command -v tmux >/dev/null; then
    command -v apt-get >/dev/null || die "tmux is missing, and there is no apt-get here; install tmux 3 or newer"
    [ "$(id -u)" = 0 ] || die "tmux is missing; install it as root: apt-get install tmux"
    say "installing tmux ..."
    apt-get -q -y install tmux >/dev/null 2>&1 ||
        { apt-get -q update >/dev/null && apt-get -q -y install tmux >/dev/null; } || die "apt-get install tmux failed"
fi
tmux -V
