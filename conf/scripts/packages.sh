# Installing Debian packages, for ./quickstart and ./check. To be sourced by bash.
#
# Only what is missing is installed, so a second run asks no network. Nothing that is
# installed here may start on its own: a developer's port 80 and 5432 stay as they were.
# shellcheck shell=bash disable=SC2034 # the lists are for those who source this

# What building the module takes, and what running it takes.
# apache2-bin alone, never apache2: the latter brings a service and a site of its own.
PACKAGES_BUILD=(gcc libc6-dev make autoconf automake libtool pkgconf
    apache2-dev libapr1-dev libaprutil1-dev libjansson-dev libssl-dev libpq-dev)
PACKAGES_RUN=(apache2-bin libaprutil1-dbd-pgsql libapache2-mod-oauth2
    postgresql-15 tzdata openssl curl ca-certificates)
PACKAGES_TEST=(libcmocka-dev clang libclang-rt-14-dev
    apache2-utils libapache2-mod-qos libpcre3 pgbouncer
    python3-pytest python3-requests python3-psycopg2 python3-jwt python3-cryptography)

CREATECLUSTER_DROPIN=/etc/postgresql-common/createcluster.d/mod_booking-no-cluster.conf
POLICY_RC_D=/usr/sbin/policy-rc.d
PACKAGES_OURS=() # files to take away again, whatever happens

# packages_missing NAME... : prints the names that are not installed.
packages_missing() {
    local name installed
    installed=" $(dpkg-query -W -f='${Package}/${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for name in "$@"; do
        [[ $installed == *" $name/installed "* ]] || printf '%s\n' "$name"
    done
}

# packages_install NAME... : installs what is missing; packages_log names the file to log in.
# The caller traps EXIT with packages_release_services.
packages_install() {
    command -v dpkg-query >/dev/null ||
        die "this needs Debian 12 (dpkg is missing); elsewhere see README.md, 'Installing for real'"
    local missing
    mapfile -t missing < <(packages_missing "$@")
    ((${#missing[@]})) || return 0
    packages_find_root "${missing[@]}"
    say "installing ${#missing[@]} Debian packages (a minute or two): ${missing[*]}"
    : >"${packages_log:?}"
    packages_apt_update
    packages_hold_services
    packages_apt_install "${missing[@]}"
    packages_release_services
}

# Who may install: root, or a user with sudo.
packages_find_root() {
    packages_sudo=()
    ((EUID == 0)) && return 0
    local wanted="apt-get install --no-install-recommends $*"
    command -v sudo >/dev/null || die "packages are missing and there is no sudo. As root:
    $wanted"
    if [[ -t 0 ]]; then packages_sudo=(sudo); else packages_sudo=(sudo -n); fi
    "${packages_sudo[@]}" true || die "packages are missing and sudo is refused. As root:
    $wanted"
}

packages_root() {
    "${packages_sudo[@]}" "$@"
}

packages_apt() {
    packages_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
        >>"$packages_log" 2>&1 </dev/null
}

# A stale list may still do, so a failure here is only said.
packages_apt_update() {
    packages_apt update && return 0
    say "warning: apt-get update failed; going on with the lists that are there"
}

packages_apt_install() {
    packages_apt install --no-install-recommends "$@" && return 0
    tail -n 15 "$packages_log" >&2
    die "could not install: $*
No network, or another package mirror is needed? The whole log: $packages_log"
}

# Debian starts a fresh cluster on 5432 and a fresh pgbouncer on 6432 by itself. Both are
# told not to, for as long as the installation takes; what an administrator has set stays.
packages_hold_services() {
    if [[ ! -e $POLICY_RC_D ]]; then
        printf '#!/bin/sh\nexit 101\n' | packages_root tee "$POLICY_RC_D" >/dev/null
        packages_root chmod 755 "$POLICY_RC_D"
        PACKAGES_OURS+=("$POLICY_RC_D")
    fi
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
        # postgresql-common first: it brings the settings file that reads our drop-in, and
        # writing that file before it would leave the package with a foreign one.
        packages_apt_install postgresql-common
        packages_root mkdir -p "${CREATECLUSTER_DROPIN%/*}"
        echo 'create_main_cluster = false' | packages_root tee "$CREATECLUSTER_DROPIN" >/dev/null
        PACKAGES_OURS+=("$CREATECLUSTER_DROPIN")
    fi
}

packages_release_services() {
    ((${#PACKAGES_OURS[@]})) || return 0
    packages_root rm -f "${PACKAGES_OURS[@]}"
    PACKAGES_OURS=()
    # Only if it came with us: whoever had it before may want it at boot.
    if [[ " ${missing[*]-} " == *" pgbouncer "* && -d /run/systemd/system ]]; then
        packages_root systemctl disable --quiet pgbouncer >>"$packages_log" 2>&1 || true
    fi
}
