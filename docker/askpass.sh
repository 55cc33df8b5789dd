#!/bin/sh
# Git asks it for the user and the password; it answers for the origin of REPO_URL alone.
set -eu

origin() {
    printf '%s\n' "$1" | sed -n 's|^\([a-z]*://\)\([^/@]*@\)\{0,1\}\([^/]*\).*|\1\3|p'
}

asked=$(printf '%s\n' "${1:-}" | sed -n "s/^[^']*'\([^']*\)'.*/\1/p")
wanted=$(origin "${REPO_URL:-}")
[ -n "$wanted" ] && [ "$(origin "$asked")" = "$wanted" ] || exit 1
case $1 in
    Username*) printf '%s\n' "${REPO_USER:-git}" ;;
    Password*) printf '%s\n' "${REPO_TOKEN:-}" ;;
    *) exit 1 ;;
esac
