# Sourced by the tools: gives each of them a Debian 13 (trixie) system to work in.
#
#   trixie_prepare           installs what is missing; says what it does
#   trixie_run COMMAND ...   runs a command there. The checkout and the cache have the same paths inside; so has, for that command alone,
#                            the folder that trixie_keys names, if it is set
#
# On trixie that system is the machine itself. Elsewhere it is a root in the user's cache folder, made by mmdebstrap. A command enters it by
# chroot in a mount namespace of its own, so that nothing stays mounted when the command ends.

LETHE_CACHE=${LETHE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lethe}
trixie_root=$LETHE_CACHE/trixie
lethe_top=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
lethe_id=$(echo "$lethe_top" | sha256sum | cut -c1-12)  # This id names what the cache holds for this checkout alone.
lethe_build=$lethe_top/build
# All checkouts share one compiler cache: the build folder is inside the checkout, so that the compiler sees the same paths in each.
export CCACHE_DIR=$LETHE_CACHE/ccache CCACHE_BASEDIR=$lethe_top CCACHE_NOHASHDIR=1
trixie_packages=$(sed 's/#.*//' "$(dirname "${BASH_SOURCE[0]}")/packages" | xargs)

say() { if [ -t 2 ]; then printf '\033[1m==>\033[0m %s\n' "$*"; else printf '==> %s\n' "$*"; fi >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

on_trixie() { [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = trixie ]; }

trixie_prepare() {
    [ "$(id -u)" = 0 ] || die "run this as root: it installs packages and enters a Debian 13 root"
    [ "$(uname -m)" = x86_64 ] || die "only x86_64 machines are supported"
    mkdir -p "$LETHE_CACHE"
    exec {trixie_lock}>"$LETHE_CACHE/lock"
    flock "$trixie_lock"
    if on_trixie; then trixie_prepare_host; else trixie_prepare_root; fi
    exec {trixie_lock}>&-
}

trixie_prepare_host() {
    local missing
    missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $trixie_packages 2>&1 | awk '$2 != "installed"' || true)
    [ -z "$missing" ] && return
    say "installing the build and test packages with apt-get"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $trixie_packages
}

trixie_prepare_root() {
    [ "$(cat "$trixie_root/.packages" 2>/dev/null)" = "$trixie_packages" ] && return
    if ! command -v mmdebstrap >/dev/null; then
        say "installing mmdebstrap with apt-get"
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends mmdebstrap
    fi
    if [ ! -e "$trixie_root/.packages" ]; then
        say "making a Debian 13 (trixie) build root in $trixie_root (once; some minutes)"
        rm -rf --one-file-system "$trixie_root"
        mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
            --include="$(echo $trixie_packages | tr ' ' ,)" trixie "$trixie_root" <<'SOURCES'
deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian trixie-updates main
deb http://deb.debian.org/debian-security trixie-security main
SOURCES
    else
        say "bringing the build root up to the package list"
        trixie_run sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $trixie_packages"
    fi
    echo "$trixie_packages" >"$trixie_root/.packages"
}

trixie_run() {
    if on_trixie; then "$@"; return; fi
    unshare --mount --propagation slave bash -euc '
        root=$1 top=$2 cache=$3 cwd=$4 keys=$5; shift 5
        mount --bind "$root" "$root"                     # mkosi requires its root to be a mount point.
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs -o mode=1777 tmp "$root/tmp"
        mount -t tmpfs -o mode=755 run "$root/run"
        mkdir -p "$root$top" "$root$cache"
        mount --bind "$top" "$root$top"
        mount --bind "$cache" "$root$cache"
        if [ -d "$top/../shared/vectors" ]; then         # Conformance data may lie beside the checkout.
            shared=$(realpath -s "$top/../shared")
            mkdir -p "$root$shared"; mount --bind -o ro "$shared" "$root$shared"
        fi
        if [ -n "$keys" ]; then mkdir -p "$root$keys"; mount --bind "$keys" "$root$keys"; fi
        cp -L /etc/resolv.conf "$root/etc/resolv.conf"
        exec chroot "$root" /usr/bin/env -C "$cwd" HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
    ' trixie_run "$trixie_root" "$lethe_top" "$LETHE_CACHE" "$PWD" "${trixie_keys:-}" "$@"
}

lethe_version() { sed -n "s/^  version: '\(.*\)',/\1/p" "$lethe_top/meson.build"; }

# With this option tests build production images: any keys made for them are stored in clear, and no passphrase is asked for.
lethe_keys_for_tests=--no-passphrase

# Builds a later release for tests and demonstrations: the same system with a newer version, in $LETHE_CACHE/image/update.
lethe_build_update() { "$lethe_top/tools/vm" build --profile debug --version "$(lethe_version).1" --out "$LETHE_CACHE/image/update"; }

# Configures and compiles the program, with or without its tests. What is already compiled stays.
lethe_compile() {
    local tests=$1 lock
    exec {lock}>"$LETHE_CACHE/lock-$lethe_id"
    flock "$lock"
    trixie_run bash -euc '
        log=$1/setup.log
        mkdir -p "$1"
        [ -e "$1/build.ninja" ] || meson setup --prefix=/usr --libdir=lib "-Dtests=$2" "-Dtest_seams=$2" "$1" . >"$log" 2>&1 || { cat "$log"; exit 1; }
        if [ "$2" = true ]; then meson configure "$1" -Dtests=true -Dtest_seams=true; ninja -C "$1"; exit; fi
        # The folder may have been set up with tests: this builds what is installed, as the meson.build files have it now.
        ninja -C "$1" build.ninja
        ninja -C "$1" $(meson introspect "$1" --installed | jq -r --arg top "$1/" "keys[] | select(startswith(\$top)) | ltrimstr(\$top)")
    ' lethe_compile "$lethe_build" "$tests" >&2
    exec {lock}>&-
}
