#!/bin/sh
# docker/up.sh          build what is needed, start the board and wait until it is ready
# docker/up.sh ARGS     any other compose command with the same files and settings: docker/up.sh logs -f board
# Settings: the environment, else .env. COMPOSE_PROFILES=gateway,worker starts these too.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P)
settings=$(dirname -- "$here")/.env
passwords=$here/passwords.env

say() {
    printf 'up: %s\n' "$1" >&2
}

fail() {
    say "$1"
    exit 1
}

# What KEY holds: in the environment, else in the file.
setting() {
    eval "given=\${$1:-}"
    # shellcheck disable=SC2154 # assigned by eval
    if [ -z "$given" ] && [ -r "${2:-$settings}" ]; then
        given=$(sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1=//p" "${2:-$settings}" | tail -n 1)
        case $given in
            \"*\" | \'*\') given=${given#?} given=${given%?} ;;
        esac
    fi
    printf '%s' "$given"
}

masked() {
    awk -v FILES="$settings
$passwords
$here/board.env
$here/gateway.env" -f "$here/masked.awk"
}

find_compose() {
    if version=$(docker compose version --short 2>/dev/null); then
        program='docker compose'
    elif version=$(docker-compose version --short 2>/dev/null); then
        program=docker-compose
    else
        fail "needs Docker with Compose 2.24 or newer: neither \`docker compose\` nor \`docker-compose\` works here."
    fi
    version=${version#v}
    major=${version%%.*}
    rest=${version#*.}
    minor=${rest%%[!0-9]*}
    case $major in
        *[!0-9]* | '') return 0 ;;
    esac
    if [ "$major" -lt 2 ] || { [ "$major" -eq 2 ] && [ "${minor:-0}" -lt 24 ]; }; then
        fail "needs Compose 2.24 or newer; \`$program\` is $version."
    fi
}

# Made once and kept: the database was made with its passwords, so this file stays as long as its volume.
need_made() {
    value=$(setting "$1")
    [ -n "$value" ] || value=$(setting "$1" "$passwords")
    if [ -z "$value" ]; then
        value=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
        (umask 077 && printf '%s=%s\n' "$1" "$value" >>"$passwords") || fail "cannot write $passwords."
        say "made $1; it is in $passwords."
    fi
    export "$1=$value"
}

prepare() {
    external=$(setting DATABASE_URL)
    if [ -z "$external" ]; then
        need_made POSTGRES_PASSWORD
        need_made POSTGRES_SERVICE_PASSWORD
    fi
    COMPOSE_PROFILES=$(setting COMPOSE_PROFILES)
    export COMPOSE_PROFILES
    case ,$COMPOSE_PROFILES, in
        *,gateway,*)
            [ -n "$(setting GATEWAY_COMMAND)" ] || fail \
                "GATEWAY_COMMAND is unset: set it in .env to the command that runs the gateway, see docker/README.md."
            need_made OPENCLAW_GATEWAY_TOKEN
            url=$(setting OPENCLAW_GATEWAY_URL)
            port=$(setting GATEWAY_PORT)
            export OPENCLAW_GATEWAY_URL="${url:-http://gateway:${port:-8080}}"
            ;;
    esac
}

compose() {
    # What a fork adds is in a file of its own.
    [ ! -e "$here/compose.override.yaml" ] || set -- -f "$here/compose.override.yaml" "$@"
    [ -z "$external" ] || set -- -f "$here/compose.external.yaml" "$@"
    set -- -f "$here/compose.yaml" "$@"
    [ ! -r "$settings" ] || set -- --env-file "$settings" "$@"
    # Unquoted: it is one word or two.
    # shellcheck disable=SC2086
    $program "$@"
}

start() {
    build=--build
    # An image from elsewhere is not made here.
    [ -z "$(setting BOARD_IMAGE)" ] || build=
    # A board that is started over and over would be waited for without end.
    # shellcheck disable=SC2086
    compose up --detach --wait --wait-timeout 300 $build
}

explain() {
    say "the start failed with exit code $1; secrets are masked below."
    echo '--- the resolved compose file ---'
    compose config 2>&1 | masked
    echo '--- the environment ---'
    # shellcheck disable=SC2016 # the letters themselves
    for key in $(grep -oh '\${[A-Z][A-Z0-9_]*' "$here"/compose*.yaml | tr -d '${' | sort -u); do
        value=$(setting "$key")
        [ -z "$value" ] || printf '%s=%s\n' "$key" "$value"
    done | masked
    echo '--- the containers ---'
    compose ps --all 2>&1 | masked
    echo '--- their last lines ---'
    compose logs --no-color --tail 40 2>&1 | masked
}

find_compose
prepare
if [ $# -gt 0 ]; then
    compose "$@"
    exit
fi
if start; then
    port=$(setting CALLBOARD_PORT)
    echo "The board is ready at http://127.0.0.1:${port:-8000}"
    echo 'First credentials, to be read once and deleted:  docker/up.sh exec board cat /data/credentials'
else
    code=$?
    explain "$code" >&2
    exit "$code"
fi
