#!/usr/bin/env bash
# An include points down only: httpd, jobs -> api -> domain -> store, providers -> base; and each
# library is named in one folder. BOOKING_BUILD (var/check/plain) is looked through for symbols.
# shellcheck source=tests/lint/lint.inc
. "$(dirname "${BASH_SOURCE[0]}")/lint.inc"
BOOKING_BUILD=${BOOKING_BUILD:-${CHECK_HOME:-var/check}/plain}

# A public header belongs to the folder that keeps its promises. The slot engine's types are
# what src/store fills, so their header stands with the store's; its functions are the domain's.
declare -A RANK=([base]=0 [store]=1 [providers]=1 [domain]=2 [api]=3 [jobs]=4 [httpd]=4 [ctl]=4)
declare -A HEADER=([text]=base [error]=base [json]=base [crypto]=base [db]=base [time]=base
    [zone]=base [availability]=store [store]=store [providers]=providers [domain]=domain
    [api]=api [jobs]=jobs)

# The folder a line `#include "..."` of a file reaches into; "?" when it cannot be told.
reached() { # reached FILE TARGET
    local name path
    case $2 in
    booking/*.def) echo base ;;
    booking/*)
        name=${2#booking/}
        echo "${HEADER[${name%.h}]:-?}"
        ;;
    *)
        path=$(realpath -m --relative-to=src "$(dirname "$1")/$2")
        [[ -e src/$path ]] || path=$(realpath -m --relative-to=src "$2")
        echo "${path%%/*}"
        ;;
    esac
}

upward() {
    local folder=$1 file target to
    shift
    grep -HE '^#include "' "$@" | sed -E 's/^([^:]*):#include "([^"]*)".*/\1 \2/' |
        while read -r file target; do
            to=$(reached "$file" "$target")
            if [[ -z ${RANK[$to]:-} ]]; then
                # Headers of httpd stand in quotes here and there.
                [[ $folder == httpd ]] || echo "$file: $target belongs to no folder"
            elif ((RANK[$to] > RANK[$folder])); then
                echo "$file: $target is above $folder"
            fi
        done
}

for folder in base store providers domain api jobs httpd ctl; do
    mapfile -t files < <(find "src/$folder" \( -name '*.c' -o -name '*.h' \) 2>/dev/null)
    ((${#files[@]} == 0)) || check "src/$folder includes nothing above it" \
        "$(upward "$folder" "${files[@]}")"
done
for header in include/booking/*.h; do
    name=${header##*/} name=${name%.h}
    if [[ -z ${HEADER[$name]:-} ]]; then
        check "$header has a folder" "tests/lint/layers.sh does not know it"
    else
        check "$header includes nothing above it" "$(upward "${HEADER[$name]}" "$header")"
    fi
done

named() { # named PATTERN WHERE-IT-MAY : includes of a library elsewhere
    grep -nE "^#include [<\"]($1)" -r src include mod_booking.c | grep -vE "^($2)"
}
HTTPD='httpd\.h|http_|ap_|mod_|util_|scoreboard\.h|mpm_'
check "httpd is named in src/httpd and mod_booking.c only" \
    "$(named "$HTTPD" 'src/httpd/|mod_booking\.c:')"
check "mod_dbd and apr_dbd are named in src/httpd only" \
    "$(named 'mod_dbd\.h|apr_dbd\.h' 'src/httpd/')"
check "jansson is named in src/base/json*.c only" "$(named 'jansson' 'src/base/json[a-z_]*\.[ch]:')"
check "OpenSSL is named in src/base/crypto.c only" "$(named 'openssl/' 'src/base/crypto\.c:')"
check "libpq is named in src/base/db*.c only" "$(named 'libpq|pg_config' 'src/base/db[a-z_]*\.[ch]:')"
check "curl and libical are named in src/base only" "$(named 'curl/|libical' 'src/base/')"
check "SQL stands in src/store and src/ctl only" \
    "$(grep -nE '"(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH) ' -r src | grep -vE '^src/(store|ctl)/')"
check "src/store does not call the slot engine" \
    "$(grep -nE '\bbk_(slots?|windows|spans|busy_conflict)_[a-z_]+\(|bk_busy_conflict\(' -r src/store)"

archive=$BOOKING_BUILD/.libs/libbooking.a
if [[ -e $archive ]] && command -v nm >/dev/null; then
    check "libbooking wants nothing of httpd" "$(nm -u "$archive" 2>/dev/null | grep -E ' U (ap_|ap[A-Z])')"
    check "libbooking shows nothing but bk_ names" "$(nm -g --defined-only "$archive" 2>/dev/null |
        awk 'NF == 3 && $3 !~ /^(bk_|__asan|__ubsan|__odr_asan)/ { print $3 }')"
else
    skip "symbols of libbooking" "no build in $BOOKING_BUILD"
fi
finish
