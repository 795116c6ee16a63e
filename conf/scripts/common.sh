# Messages and steps, for ./quickstart and ./check. To be sourced by bash.
# shellcheck shell=bash

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# step LOG TITLE COMMAND... : runs COMMAND with its output in LOG; where it fails, says so with
# the log's tail and ends the program. COMMAND may be a function: `set -e` holds inside it.
step() {
    local log=$1 title=$2 status=0
    shift 2
    say "$title"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    ((status == 0)) && return 0
    tail -n 25 "$log" >&2
    die "failed: $title. The whole log: $log"
}
