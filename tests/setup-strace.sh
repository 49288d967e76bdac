#!/bin/sh
# setup-strace.sh: strace, which watches what a hostile folder makes us start. Installed through apt as root when it is missing.
set -eu
command -v strace >/dev/null && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing strace ..."
    apt-get -q -y install strace >/dev/null 2>&1 || { apt-get -q update >/dev/null && apt-get -q -y install strace >/dev/null; }
else
    echo "note: strace is missing (apt-get install strace); the test of hostile folders will not be run" >&2
    exit 1
fi
