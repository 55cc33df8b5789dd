#!/bin/sh
# Starts the gateway that runs the agents: waits for what the board writes, merges the configuration, runs GATEWAY_COMMAND.
# Everything comes from the environment; docker/README.md lists it.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P)
BAD_SETTING=78
NOT_THERE=69

say() {
    printf 'start-gateway: %s\n' "$1" >&2
}

fail() {
    say "$2"
    exit "$1"
}

need_settings() {
    command -v python3 >/dev/null || fail $NOT_THERE "python3 is not installed."
    [ -n "${GATEWAY_COMMAND:-}" ] || fail $BAD_SETTING \
        "GATEWAY_COMMAND is unset: set it to the command that runs the gateway, such as '/usr/local/bin/gateway --port \"\$GATEWAY_PORT\"'."
    [ -n "${CALLBOARD_GATEWAY_CONFIG:-}" ] || fail $BAD_SETTING \
        "CALLBOARD_GATEWAY_CONFIG is unset: set it to the file that the board writes for the gateway."
    for key in GATEWAY_WAIT_SECONDS GATEWAY_DRAIN_SECONDS GATEWAY_PORT; do
        eval "value=\${$key:-0}"
        # shellcheck disable=SC2154 # assigned by eval
        case $value in *[!0-9]*) fail $BAD_SETTING "$key must be a whole number." ;; esac
    done
    case ${GATEWAY_RELOAD:=off} in
        off | file | signal | restart) ;;
        *) fail $BAD_SETTING "GATEWAY_RELOAD must be one of off, file, signal, restart." ;;
    esac
    case ${GATEWAY_CLONE:-0} in
        0 | 1) ;;
        *) fail $BAD_SETTING "GATEWAY_CLONE must be 0 or 1." ;;
    esac
    authority=${REPO_URL:-}
    authority=${authority#*://}
    case ${REPO_URL:-} in
        http://* | https://*) case ${authority%%/*} in
            *@*) fail $BAD_SETTING "REPO_URL holds a user or password: put them in REPO_USER and REPO_TOKEN." ;;
        esac ;;
    esac
}

# Without a token whoever reaches the gateway commands the agents, so it is reached from this machine only.
choose_address() {
    if [ -n "${OPENCLAW_GATEWAY_TOKEN:-}" ]; then
        GATEWAY_HOST=${GATEWAY_HOST:-0.0.0.0}
        return
    fi
    case ${GATEWAY_HOST:=127.0.0.1} in
        127.* | ::1 | localhost) say "OPENCLAW_GATEWAY_TOKEN is unset, so the gateway listens on $GATEWAY_HOST only." ;;
        *) fail $BAD_SETTING "GATEWAY_HOST is $GATEWAY_HOST, which needs OPENCLAW_GATEWAY_TOKEN: set it, here and for the board." ;;
    esac
}

# Held until this process ends, and by no child of it.
become_the_only_one() {
    mkdir -p "$GATEWAY_STATE_DIR" 2>/dev/null || fail $BAD_SETTING "GATEWAY_STATE_DIR: cannot make $GATEWAY_STATE_DIR."
    { true >>"$GATEWAY_STATE_DIR/start.lock"; } 2>/dev/null || fail $BAD_SETTING "GATEWAY_STATE_DIR: cannot write in $GATEWAY_STATE_DIR."
    exec 9>>"$GATEWAY_STATE_DIR/start.lock"
    if ! python3 "$here/gateway" claim; then
        say "the gateway runs already."
        exit 0
    fi
}

set_up_git() {
    export GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=file:git:http:https:ssh
    export GIT_AUTHOR_NAME="${GIT_AUTHOR_NAME:-agent}" GIT_AUTHOR_EMAIL="${GIT_AUTHOR_EMAIL:-agent@localhost}"
    export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME" GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"
}

is_repository() {
    [ -e "$1/.git" ] || [ -e "$1/HEAD" ]
}

clone() {
    command -v git >/dev/null || fail $NOT_THERE "GATEWAY_CLONE needs git, which is not installed."
    # Only a finished clone gets the name, so an interrupted one is simply redone.
    unfinished=$1.unfinished
    { rm -rf "$unfinished" && mkdir -p "$(dirname "$1")"; } 2>/dev/null || fail $NOT_THERE "WRITABLE_REPO_DIR: cannot write $1."
    [ ! -e "$1" ] || rmdir "$1" 2>/dev/null || fail $NOT_THERE "WRITABLE_REPO_DIR: $1 is no repository and not empty: move it away."
    # Nothing comes for a minute: it is given up.
    if ! said=$(GIT_HTTP_LOW_SPEED_LIMIT=1 GIT_HTTP_LOW_SPEED_TIME=60 GIT_ASKPASS=${REPO_TOKEN:+$here/askpass.sh} LC_ALL=C \
        git -c credential.helper= clone --quiet ${REPO_BASE_BRANCH:+"--branch=$REPO_BASE_BRANCH"} -- "$REPO_URL" "$unfinished" \
        2>&1 9>&-); then
        rm -rf "$unfinished"
        reason=$(printf '%s\n' "$said" | grep -m 1 '^fatal: ' || printf '%s\n' "$said" | tail -n 1)
        fail $NOT_THERE "REPO_URL: cannot clone $REPO_URL (${reason#fatal: }): check REPO_URL, REPO_BASE_BRANCH, REPO_USER and REPO_TOKEN."
    fi
    mv "$unfinished" "$1" || fail $NOT_THERE "WRITABLE_REPO_DIR: cannot write $1."
}

# Normally the board makes the clone, on a volume that both see.
need_repository() {
    [ -n "${REPO_URL:-}" ] || return 0
    name=${REPO_URL%/}
    name=${name##*[/:]}
    name=${name%.git}
    repository=${WRITABLE_REPO_DIR:-${CALLBOARD_GATEWAY_DATA_DIR:-$GATEWAY_STATE_DIR}/repos/${name:-repository}}
    left=$GATEWAY_WAIT_SECONDS
    if [ "${GATEWAY_CLONE:-}" = 1 ]; then
        is_repository "$repository" || clone "$repository"
        return 0
    fi
    is_repository "$repository" || [ "$left" -eq 0 ] || say "waits for the clone in $repository."
    until is_repository "$repository"; do
        [ "$left" -gt 0 ] || fail $NOT_THERE \
            "WRITABLE_REPO_DIR: no clone in $repository after $GATEWAY_WAIT_SECONDS s: see \`vcs\` at the board's /health, or set GATEWAY_CLONE=1."
        left=$((left - 1))
        sleep 1 9>&-
    done
}

need_settings
umask 077
: "${GATEWAY_PORT:=8080}" "${GATEWAY_STATE_DIR:=${HOME:-/tmp}/.gateway}" "${GATEWAY_WAIT_SECONDS:=300}" "${GATEWAY_DRAIN_SECONDS:=60}"
choose_address
become_the_only_one
set_up_git
need_repository
# What the agents' shells inherit: never a way into the repository.
unset REPO_TOKEN REPO_USER
export GATEWAY_HOST GATEWAY_PORT GATEWAY_STATE_DIR GATEWAY_WAIT_SECONDS GATEWAY_DRAIN_SECONDS GATEWAY_RELOAD
exec python3 "$here/gateway" run
