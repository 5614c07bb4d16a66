# shellcheck shell=bash
# Sourced: a Debian of its own in a folder, made by debootstrap, and commands in it. Needs root and debootstrap.

# debian SUITE FOLDER [PACKAGE...]: makes it where it is not there yet
debian() {
    local suite=$1 folder=$2 log=$2.log
    shift 2
    [ ! -e "$folder/made" ] || return 0
    [ "$(id -u)" = 0 ] || { echo "only root makes a Debian in a folder: sudo" >&2 && return 2; }
    command -v debootstrap >/dev/null || { echo 'debootstrap is missing: apt-get install debootstrap' >&2 && return 2; }
    echo "== Debian $suite into $folder" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    debootstrap --variant=minbase "$suite" "$folder" >"$log" 2>&1 || { tail -n 5 "$log" >&2 && return 1; }
    # No server starts by itself, and nothing that is installed later is kept as a download.
    printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
    chmod +x "$folder/usr/sbin/policy-rc.d"
    echo 'APT::Keep-Downloaded-Packages "false";' >"$folder/etc/apt/apt.conf.d/99no-downloads"
    inside "$folder" sh -euc 'apt-get -qq update
        [ $# = 0 ] || apt-get -qq install -y --no-install-recommends "$@"' - "$@" >>"$log" 2>&1 ||
        { tail -n 5 "$log" >&2 && return 1; }
    touch "$folder/made"
}

# inside FOLDER COMMAND...: as root of that Debian, with what BINDS names as SOURCE:TARGET mounted in it. Mounts and
# processes are the command's own, and end with it. pivot_root, because in a chroot no user may make namespaces.
inside() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --pid --fork --kill-child sh -euc '
        root=$1 binds=$2
        shift 2
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        for one in $binds; do
            mkdir -p "$root/${one#*:}"
            mount --bind "${one%%:*}" "$root/${one#*:}"
        done
        mkdir -p "$root/.outside"
        cd "$root"
        pivot_root . .outside
        umount --lazy /.outside
        exec env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive "$@"' - "$1" "${BINDS[*]:-}" "${@:2}"
}
