#!/usr/bin/env bash
# The shape of the text: columns, blanks, and how long a file and a function may be.
# shellcheck source=tests/lint/lint.inc
. "$(dirname "${BASH_SOURCE[0]}")/lint.inc"
COLUMNS_MAX=100 FILE_MAX=600 FUNCTION_MAX=80

mapfile -t c < <(c_files)
mapfile -t sources < <(printf '%s\n' "${c[@]}" | grep -v '^tests/')
mapfile -t text < <(text_files | grep -E '\.(c|h|def|sh|inc|py|sql|md|conf|ac|am|in|example)$|^(check|quickstart)$')

check "no tabs in C" "$(grep -nP '\t' "${c[@]}")"
check "at most $COLUMNS_MAX columns in C" \
    "$(grep -nE "^.{$((COLUMNS_MAX + 1)),}" "${c[@]}" | cut -c1-130)"
check "no blanks at the end of a line" "$(grep -nE '[[:blank:]]+$' "${text[@]}")"
check "no carriage returns" "$(grep -nIl $'\r' "${text[@]}")"
check "a file ends with a line" "$(for file in "${text[@]}"; do
    [[ ! -s $file || -z $(tail -c 1 "$file") ]] || echo "$file"
done)"
check "at most $FILE_MAX lines in a source file" \
    "$(wc -l "${sources[@]}" | awk -v most=$FILE_MAX '$1 > most && $2 != "total"')"

# name, file, lines of each function
functions() {
    ctags --c-kinds=f --fields=+ne -f - "$@" 2>/dev/null | awk -F '\t' '{
        first = last = 0
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) first = substr($i, 6)
            if ($i ~ /^end:/) last = substr($i, 5)
        }
        if (last) print $1, $2, last - first + 1
    }'
}
if [[ -n $(functions src/base/text.c 2>/dev/null) ]]; then
    check "at most $FUNCTION_MAX lines in a function" \
        "$(functions "${c[@]}" | awk -v most=$FUNCTION_MAX '$3 > most { print $2 ": " $1 " has " $3 }')"
else
    skip "length of functions" "Universal Ctags is missing"
fi
if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(text_files | while IFS= read -r file; do
        read -r first <"$file" 2>/dev/null
        [[ $first != '#!'*sh ]] || echo "$file"
    done)
    check "shellcheck has nothing to say" "$(shellcheck -x -S warning -f gcc "${scripts[@]}" 2>&1)"
else
    skip "shell scripts" "shellcheck is missing"
fi
finish
