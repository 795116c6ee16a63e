#!/usr/bin/env bash
# Words that must not be committed: notes to oneself, and paths of one machine.
# shellcheck source=tests/lint/lint.inc
. "$(dirname "${BASH_SOURCE[0]}")/lint.inc"

mapfile -t files < <(text_files | grep -vE '^tests/lint/words\.sh$')

check "nothing is left to do in the text" "$(grep -nIwE 'TODO|FIXME|XXX|HACK|WIP' "${files[@]}")"
# Homes and work folders; ~/ and the paths of packages are for everybody.
check "no path of somebody's machine" \
    "$(grep -nIE '(^|[^A-Za-z0-9_.$}])/(work|workspace|home/[a-z]+|root/[a-z.]+|Users/[A-Za-z]+)(/|[^A-Za-z0-9_/]|$)' \
        "${files[@]}")"
check "no conflict marks" "$(grep -nIE '^(<{7}|>{7}|={7})( |$)' "${files[@]}")"
check "no keys" "$(grep -nIlE '^-----BEGIN [A-Z ]*PRIVATE KEY-----' "${files[@]}")"
finish
