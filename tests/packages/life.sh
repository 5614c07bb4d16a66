#!/usr/bin/env bash
# Within a fresh Debian, as root: what a package leaves, keeps and takes away.
set -euo pipefail

readonly TIMER=/etc/systemd/system/timers.target.wants/lifeboat-nightly.timer

# holds WHAT COMMAND...
holds() {
    local what=$1
    shift
    "$@" || {
        printf 'package: not so: %s\n' "$what" >&2
        exit 1
    }
}

absent() { [ ! -e "$1" ] && [ ! -L "$1" ]; }

version() { dpkg-query --show --showformat='${db:Status-Abbrev}${Version}' lifeboat; }

install() { apt-get -qq install --no-install-recommends "$1" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log >&2 && exit 1; }; }

apt-get -qq update
# Of a Debian that boots; nothing of it runs here.
install systemd

install /srv/older.deb
holds 'the older version is installed' [ "$(version)" = 'ii 0.0.1-1' ]
holds 'the folder is lifeboat'\''s alone' [ "$(stat -c '%U:%G %a' /etc/lifeboat)" = 'lifeboat:lifeboat 700' ]
holds 'nobody logs in as lifeboat' [ "$(getent passwd lifeboat | cut -d: -f7)" = /usr/sbin/nologin ]
holds 'the timer is off' absent "$TIMER"
holds 'and says so' [ "$(systemctl is-enabled lifeboat-nightly.timer || true)" = disabled ]
systemd-analyze verify --man=no /usr/lib/systemd/system/lifeboat-* 2>/tmp/verify.log || true
holds "systemd understands the units: $(cat /tmp/verify.log)" [ ! -s /tmp/verify.log ]

echo 'the only one' >/etc/lifeboat/manifest-signing.pem
chown lifeboat /etc/lifeboat/manifest-signing.pem
chmod 600 /etc/lifeboat/manifest-signing.pem
systemctl enable --quiet lifeboat-nightly.timer
holds 'the timer is on' [ -L "$TIMER" ]

kept() {
    holds "the key is kept $1" [ "$(cat /etc/lifeboat/manifest-signing.pem)" = 'the only one' ]
    holds "its owner is kept $1" [ "$(stat -c '%U %a' /etc/lifeboat/manifest-signing.pem)" = 'lifeboat 600' ]
}

newer=$(echo /srv/lifeboat_*.deb)
install "$newer"
holds 'the newer version is installed' [ "$(version)" = "ii $(dpkg-deb -f "$newer" Version)" ]
holds 'what only the older one had is gone' absent /usr/share/doc/lifeboat/older
holds 'the timer is still on' [ -L "$TIMER" ]
kept 'by an upgrade'
holds 'it is the program that it says' [ "$(lifeboat --version)-1" = "lifeboat $(dpkg-deb -f "$newer" Version)" ]
for one in /usr/share/man/man1/lifeboat-restore.1.gz /usr/share/bash-completion/completions/lifeboat \
    /usr/share/doc/lifeboat/examples/lifeboat.toml /usr/share/doc/lifeboat/copyright; do
    holds "$one is there" [ -s "$one" ]
done
holds 'the licence is' grep -q 'Apache License' /usr/share/doc/lifeboat/copyright

apt-get -qq remove lifeboat >/dev/null 2>&1
holds 'the program is gone' absent /usr/bin/lifeboat
holds 'the units are gone' absent /usr/lib/systemd/system/lifeboat-nightly.timer
kept 'by a removal'

install "$newer"
holds 'the timer is on as before' [ "$(systemctl is-enabled lifeboat-nightly.timer)" = enabled ]
apt-get purge lifeboat >/tmp/purge.log 2>&1
holds 'the timer is gone' absent "$TIMER"
kept 'by a purge'
holds 'which says so' grep -q '/etc/lifeboat is not empty, and stays' /tmp/purge.log

rm /etc/lifeboat/manifest-signing.pem
install "$newer"
apt-get -qq purge lifeboat >/dev/null 2>&1
holds 'an empty folder goes' absent /etc/lifeboat
left=$(find / -xdev -name '*lifeboat*' -not -path '/srv/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' \
    -not -path '/var/cache/*' -print)
holds "nothing else is left: $left" [ -z "$left" ]
