#!/usr/bin/env bash
# The documents say what the tables say: routes, errors, groups, directives, database tables,
# and every test and target is one that is built.
# shellcheck disable=SC2016,SC2030,SC2031 # backquotes are Markdown's; subshells keep their names
# shellcheck source=tests/lint/lint.inc
. "$(dirname "${BASH_SOURCE[0]}")/lint.inc"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Rows of a Markdown table whose first cell fits; cells parted by |, without blanks around.
rows() { # rows FILE PATTERN
    grep -E "^\| *$2" "$1" | sed -E 's/\\\|/\x01/g; s/^\| *//; s/ *\|$//; s/ *\| */|/g'
}

# --- routes ---------------------------------------------------------------------------------

# METHOD TEMPLATE|group|anonymous|client|therapist|admin, in the words of the documents.
routes_of_table() {
    sed -n '/^BK_ROUTE(/,/)$/p' src/api/routes.def | tr '\n' ' ' | sed 's/BK_ROUTE(/\n/g' |
        awk -F, 'NF > 7 {
            for (i = 1; i <= 7; i++) gsub(/^[ ]+|[ ]+$|"/, "", $i)
            say["NONE"] = "-"; say["ANY"] = "any"; say["OWN"] = "own"; say["TOKEN"] = "token"
            say["PRACTICE"] = "practice"; say["GUEST"] = "configurable, off"
            say["PUBLIC"] = "configurable, on"
            printf "%s %s|%s|%s|%s|%s|%s\n", $1, $2, $3, say[$4], say[$5], say[$6], say[$7]
        }'
}
routes_of_table | sort >"$scratch/routes"
rows docs/api.md '`[A-Z]+ /[^|]*` *\|' | tr -d '`' | sort >"$scratch/routes.md"
same "routes.def and the roles of docs/api.md" "$scratch/routes" "$scratch/routes.md"

# --- errors -----------------------------------------------------------------------------------

sed -nE 's/^BK_ERROR\(([A-Z_]+), ([0-9]+),.*/\1|\2/p' include/booking/errors.def | sort >"$scratch/errors"
rows docs/api.md '`[A-Z_]+` *\| *[0-9]{3}' | cut -d'|' -f1,2 | tr -d '`' | sort >"$scratch/errors.md"
same "errors.def and the errors of docs/api.md" "$scratch/errors" "$scratch/errors.md"

# --- groups -----------------------------------------------------------------------------------

sed -nE 's/^BK_GROUP\(([a-z_]+),.*/\1/p' include/booking/groups.def | sort >"$scratch/groups"
cut -d'|' -f2 "$scratch/routes" | sort -u >"$scratch/groups.used"
same "groups.def and the groups of routes.def" "$scratch/groups" "$scratch/groups.used"
grep -m1 -A2 '^Groups: ' docs/configuration.md | tr '\n' ' ' | sed 's/\..*//' | grep -oE '`[a-z_]+`' |
    tr -d '`' | sort >"$scratch/groups.md"
same "groups.def and docs/configuration.md" "$scratch/groups" "$scratch/groups.md"
grep -A3 'Route groups that exist here:' conf/booking.conf | tr -d '#\n' | sed 's/.*here://; s/\..*//' |
    grep -oE '[a-z_]+' | sort >"$scratch/groups.conf"
same "groups.def and conf/booking.conf" "$scratch/groups" "$scratch/groups.conf"

# --- directives -------------------------------------------------------------------------------

grep -ohE 'AP_INIT_[A-Z0-9_]+\("[A-Za-z]+"' src/httpd/*.c | sed -E 's/.*"([A-Za-z]+)"/\1/' |
    sort >"$scratch/directives"
rows docs/configuration.md '`Booking' | grep -oE '^`Booking[A-Za-z]+' | tr -d '`' |
    sort >"$scratch/directives.md"
same "the directive table and docs/configuration.md" "$scratch/directives" "$scratch/directives.md"
# Each has its comment, which says how it is written, and a line that is in force.
grep -oE '^ *# Booking[A-Za-z]+ [a-zA-Z]' conf/booking.conf | grep -oE 'Booking[A-Za-z]+' |
    sort -u >"$scratch/directives.explained"
same "the directive table and the comments of conf/booking.conf" "$scratch/directives" \
    "$scratch/directives.explained"
grep -oE '^ *Booking[A-Za-z]+ ' conf/booking.conf | tr -d ' ' | sort -u >"$scratch/directives.conf"
same "the directive table and the lines of conf/booking.conf" "$scratch/directives" \
    "$scratch/directives.conf"
check "the sites use directives that exist" "$(grep -HnoE '^[^#]*\bBooking[A-Z][A-Za-z]+' \
    conf/sites/*.conf conf/htaccess.example conf/demo/*.in 2>/dev/null | sed -E 's/ *(Booking[A-Za-z]+)$/ \1/' |
    while read -r where name; do
        name=${name##* }
        [[ $name != Booking* ]] || grep -qx "$name" "$scratch/directives" || echo "$where $name"
    done)"

# --- tables -----------------------------------------------------------------------------------

if [[ -e docs/schema.md ]]; then
    {
        sed -nE 's/^CREATE TABLE (IF NOT EXISTS )?([a-z_]+).*/\2/p' sql/*.sql
        # The command keeps its own record of what was applied.
        grep -ohE 'CREATE TABLE IF NOT EXISTS [a-z_]+' src/ctl/*.c | sed 's/.* //'
    } | sort >"$scratch/tables"
    sed -n '/^| table |/,/^$/p' docs/schema.md | grep -oE '^\| `[a-z_]+`' | tr -d '|` ' | sort >"$scratch/tables.md"
    same "tables of sql/ and docs/schema.md" "$scratch/tables" "$scratch/tables.md"
    check "constraints of docs/schema.md exist" "$(sed -n '/^| constraint |/,/^$/p' docs/schema.md |
        sed -E 's/^\|([^|]*)\|.*/\1/' | grep -oE '`[a-z_]+`' | tr -d '`' | while read -r name; do
        grep -qE "\b$name\b" sql/*.sql || echo "$name"
    done)"
else
    skip "tables" "there is no docs/schema.md"
fi

# --- tests ------------------------------------------------------------------------------------

find tests/unit tests/fuzz \( -name '*_test.c' -o -name '*_fuzz.c' \) | sed 's/\.c$//' | sort >"$scratch/tests"
grep -oE 'tests/(unit|fuzz)/[a-z_/]+_(test|fuzz)\b' Makefile.am | sort -u >"$scratch/tests.am"
same "tests and fuzz targets are built" "$scratch/tests" "$scratch/tests.am"
check "a fuzz target has a corpus" "$(for target in tests/fuzz/*_fuzz.c; do
    name=${target##*/} name=${name%_fuzz.c}
    [[ -n $(ls "tests/fuzz/corpus/$name" 2>/dev/null) ]] || echo "$name"
done)"
check "sources are in Makefile.am" "$(find src -name '*.[ch]' -o -name '*.def' | while read -r file; do
    grep -qwF "$file" Makefile.am || echo "$file"
done)"
check "links of the documents lead somewhere" "$(grep -HoE '\]\([^)#:]+' README.md docs/*.md SECURITY.md 2>/dev/null |
    sed 's/:\](/ /' | while read -r file target; do
    [[ -e $(dirname "$file")/$target ]] || echo "$file: $target"
done)"
finish
