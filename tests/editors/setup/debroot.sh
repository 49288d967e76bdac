# shellcheck shell=sh
# debroot.sh: unpack programs of a newer Debian beside the system's own. Sourced by the other scripts, not run.
#
# private_apt SUITE           an apt of our own for that Debian suite (sets $apt, downloads its lists);
#                             the system's dpkg database and apt sources are not touched.
# papt ARG...                 apt-get with that configuration; quiet, stops the script when it fails.
# debroot NAME SUITE PKG...   unpack PKG and everything it depends on (libc included) into
#                             $HERMITCRAB_EDITORS/roots/NAME.
# patch_elf ROOT FILE         make FILE use ROOT's own loader and libraries.
# wrapper NAME                write stdin to $HERMITCRAB_EDITORS/bin/NAME, executable.
#
# The archive address is the one apt already uses; set HERMITCRAB_DEBIAN_URI where apt is not pointed at Debian.
# A cache of $HERMITCRAB_EDITORS has to be restored to the same absolute path: loaders and wrappers hold it.

: "${HERMITCRAB_EDITORS:=${XDG_CACHE_HOME:-$HOME/.cache}/hermitcrab-editors}"
export HERMITCRAB_EDITORS
BIN="$HERMITCRAB_EDITORS/bin"
ROOTS="$HERMITCRAB_EDITORS/roots"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

debian_uri() {
    if [ -n "${HERMITCRAB_DEBIAN_URI:-}" ]; then printf '%s\n' "$HERMITCRAB_DEBIAN_URI"; return; fi
    # --print-uris also answers on a fresh machine that has no package lists yet.
    apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*/debian\)/dists/.*|\1|p" |
        sort | uniq -c | sort -rn | awk 'NR==1{print $2}'
}

private_apt() {
    command -v apt-get >/dev/null || die "apt-get is needed (a Debian machine)"
    uri=$(debian_uri); [ -n "$uri" ] || die "no Debian archive known to apt; set HERMITCRAB_DEBIAN_URI"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f "$keyring" ] || die "$keyring is missing; install the package debian-archive-keyring"
    apt="$HERMITCRAB_EDITORS/apt/$1"
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/empty"
    : > "$apt/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$uri" "$1" > "$apt/sources.list"
    cat > "$apt/apt.conf" <<X
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/empty";
Dir::Etc::preferences "$apt/none";
Dir::Etc::preferencesparts "$apt/empty";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
X
    papt update
}

papt() {
    APT_CONFIG="$apt/apt.conf" apt-get -q -y "$@" >"$apt/log" 2>&1 ||
        { tail -n 5 "$apt/log" >&2; die "apt-get $* failed (Debian ${apt##*/}; log: $apt/log)"; }
}

debroot() {
    name=$1; suite=$2; shift 2
    root="$ROOTS/$name"; stamp="$root/.stamp"
    want="$suite $*"
    if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$want" ]; then return 0; fi
    say "fetching $* from Debian $suite ..."
    private_apt "$suite"
    # An archive folder of its own, so that it holds exactly what these packages need.
    debs="$apt/debs-$name"; rm -rf "$debs"; mkdir -p "$debs/partial"
    papt -o Dir::Cache::archives="$debs" --download-only install "$@" patchelf
    rm -rf "$root.new"; mkdir -p "$root.new"
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$root.new" || die "cannot unpack $deb"; done
    # Packages that still ship /lib, /lib64 or /bin: fold them into /usr.
    for d in lib lib64 bin sbin; do
        if [ -d "$root.new/$d" ] && [ ! -L "$root.new/$d" ]; then
            mkdir -p "$root.new/usr/$d"; cp -a "$root.new/$d/." "$root.new/usr/$d/"; rm -rf "${root:?}.new/$d"
        fi
    done
    rm -rf "$root"; mv "$root.new" "$root"
    find "$debs" -name '*.deb' -exec basename {} \; | sort > "$root/.packages"; rm -rf "$debs"
    printf '%s\n' "$want" > "$stamp"
}

libdir() { dirname "$(find "$1/usr/lib" -name 'libc.so.6' | head -n 1)"; }
loader() { find "$1/usr/lib" "$1/usr/lib64" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1; }

patch_elf() {
    root=$1; file=$2; lib=$(libdir "$root"); ld=$(loader "$root")
    [ -n "$ld" ] || die "no loader in $root"
    [ -f "$file.orig" ] || cp -p "$file" "$file.orig"
    cp -p "$file.orig" "$file.tmp"
    # Starting through the loader would be simpler, but a terminal program that starts itself again then dies.
    "$ld" --library-path "$lib" "$root/usr/bin/patchelf" --set-interpreter "$ld" \
        --force-rpath --set-rpath "$lib" "$file.tmp" || die "patchelf $file"
    mv -f "$file.tmp" "$file"
}

wrapper() {
    mkdir -p "$BIN"; cat > "$BIN/$1.tmp"; chmod 755 "$BIN/$1.tmp"; mv -f "$BIN/$1.tmp" "$BIN/$1"
}
