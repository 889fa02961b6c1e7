#!/bin/sh
# Installs the agent below DESTDIR (default: /): binary, units, default settings, documents. Touches nothing else;
# enabling the units is the admin's or the image's choice.
#
#   DESTDIR=/tmp/root BINARY=target/release/extensions-agent systemd/install.sh
set -eu

case "${1:-}" in
    "") ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install.sh: it takes no arguments, only DESTDIR and BINARY; see --help" >&2; exit 2 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
root=${DESTDIR:-}
binary=${BINARY:-$top/target/release/extensions-agent}

[ -x "$binary" ] || {
    echo "install.sh: no binary at $binary: build it with 'cargo build --release', or set BINARY" >&2
    exit 1
}

put() { # mode, source, path on the host
    install -D -m "$1" "$2" "$root$3"
}

put 0755 "$binary" /usr/bin/extensions-agent
for unit in "$here"/system/*; do
    put 0644 "$unit" "/usr/lib/systemd/system/$(basename "$unit")"
done
for file in "$here"/config.d/*.toml; do
    put 0644 "$file" "/usr/lib/extensions-agent/config.d/$(basename "$file")"
done
for page in "$top"/agent/docs/*.md; do
    put 0644 "$page" "/usr/share/doc/extensions-agent/$(basename "$page")"
done
for schema in "$top"/agent/schema/*.json; do
    [ ! -e "$schema" ] || put 0644 "$schema" "/usr/share/extensions-agent/schema/$(basename "$schema")"
done
