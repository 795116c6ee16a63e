# Building the module beside the sources, for ./quickstart and ./check. To be sourced by bash,
# after common.sh.
#
# The sources are copied first and configured there: autoreconf writes into the tree it works
# on, and several builds (two quickstarts, a check, a developer's own ./configure) may be
# under way in one clone at the same time.
# shellcheck shell=bash

# What autotools, compilers and the two scripts make. A directory that holds .booking-home is
# some quickstart's or check's own.
BUILD_LEAVES_OUT=(--exclude-vcs --exclude-tag-all=.booking-home --exclude=./var
    --exclude=./autom4te.cache --exclude=./build-aux --exclude=./m4/l*.m4
    --exclude=./aclocal.m4 --exclude=./configure --exclude=./configure~ --exclude=./config.* --exclude=./libtool
    --exclude=./stamp-h* --exclude=./Makefile --exclude=./Makefile.in
    --exclude=.libs --exclude=.deps --exclude=.dirstamp --exclude=__pycache__
    --exclude=.pytest_cache --exclude=*.o --exclude=*.lo --exclude=*.la --exclude=*.log
    --exclude=*.trs)

build_pack() {
    tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner "${BUILD_LEAVES_OUT[@]}" -cf - .
}

# build_copy SOURCES COPY : brings COPY up to date and prepares ./configure there. Times are
# kept, so make builds only what changed; a file that came or went starts everything anew.
build_copy() {
    local sources=$1 copy=$2 now names
    now=$(build_pack "$sources" | sha256sum)
    [[ -x $copy/configure && $(cat "$copy.sum" 2>/dev/null) == "$now" ]] && return 0
    names=$(build_pack "$sources" | tar -tf - | sha256sum)
    if [[ $(cat "$copy.names" 2>/dev/null) != "$names" ]]; then
        rm -rf "$copy"
    fi
    rm -f "$copy.sum"
    mkdir -p "$copy"
    build_pack "$sources" | tar -C "$copy" -xf -
    if [[ ! -x $copy/configure || $copy/configure.ac -nt $copy/configure ]]; then
        (cd "$copy" && autoreconf -fi)
    fi
    echo "$names" >"$copy.names"
    echo "$now" >"$copy.sum"
}

# build_make COPY OBJECTS [CONFIGURE-ARGUMENT...] : configures where needed, and makes all.
build_make() {
    local copy=$1 objects=$2 wanted made
    shift 2
    wanted="$(cat "$copy.names") $*"
    made=$(cat "$objects.args" 2>/dev/null || true)
    if [[ $wanted != "$made" || ! -x $objects/config.status ]]; then
        rm -rf "$objects"
        mkdir -p "$objects"
        (cd "$objects" && "$copy/configure" --quiet "$@")
        echo "$wanted" >"$objects.args"
    fi
    make -C "$objects" -j"$(nproc)" --no-print-directory
}

# Whether OBJECTS holds a build of what SOURCES are now; quick, and needs no compiler.
build_is_fresh() {
    local sources=$1 copy=$2 objects=$3
    [[ -e $objects/.libs/mod_booking.so && -x $objects/bookingctl &&
        $(cat "$objects.sum" 2>/dev/null) == "$(build_pack "$sources" | sha256sum)" &&
        -e $copy.sum ]]
}

# build SOURCES COPY OBJECTS [CONFIGURE-ARGUMENT...]
build() {
    local sources=$1 copy=$2 objects=$3
    shift 3
    rm -f "$objects.sum"
    build_copy "$sources" "$copy"
    build_make "$copy" "$objects" "$@"
    cp "$copy.sum" "$objects.sum"
}
