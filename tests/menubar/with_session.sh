#!/usr/bin/env bash
# Run a program on a session bus of its own. Where there is none to be had, say so in one line and exit
# with 77 (skipped), or with 1 when CI is true.
set -euo pipefail
if ! command -v dbus-run-session >/dev/null; then
    echo "SKIPPED: no dbus-run-session (Debian: apt-get install dbus)"
    [ "${CI:-}" = true ] && exit 1
    exit 77
fi
exec dbus-run-session -- "$@"
