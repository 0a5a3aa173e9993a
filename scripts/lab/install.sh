# Installs what scripts/run and scripts/test need: apt packages, and a venv in .venv of the checkout.
# Sourced by them. No service of an installed package is started or left enabled; what is there
# already is not touched. Everything that is fine already costs milliseconds.
# shellcheck shell=bash

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# become_root SCRIPT ARGUMENTS...: go on as root, by sudo where that is needed.
become_root() {
    if [ "$(id -u)" -eq 0 ]; then
        trap give_back EXIT # until the script's last `exec`
        return
    fi
    command -v sudo >/dev/null || fail "$1 needs root (its own Postfix does); run it as root or install sudo"
    local keep=PIP_CONFIG_FILE,PIP_CERT,PIP_INDEX_URL,PIP_EXTRA_INDEX_URL,http_proxy,https_proxy,no_proxy
    exec sudo --preserve-env=$keep "$@"
}

# What root has written into the checkout of the person who called sudo is theirs, to remove it again.
give_back() {
    [ -n "${SUDO_UID:-}" ] && [ "$(stat -c %u .)" = "$SUDO_UID" ] || return 0
    find . -xdev -user root -exec chown --no-dereference "$SUDO_UID:$SUDO_GID" {} +
}

check_system() {
    command -v apt-get >/dev/null || fail "this needs Debian 12 or 13, or Ubuntu 24.04 (apt-get is not here)"
    # shellcheck disable=SC1091
    case "$(. /etc/os-release && echo "$ID-$VERSION_ID")" in
    debian-12 | debian-13 | ubuntu-24.04) ;;
    *) say "note: tried on Debian 12 and 13 and Ubuntu 24.04 only" ;;
    esac
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE...: those that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -eq 0 ] && return
    say "apt: installing ${missing[*]}"
    _apt_without_services "${missing[@]}"
}

# With our policy-rc.d for the time of the install, unless the machine has one of its own. A machine
# that has just been made updates itself: wait for it. Another mail server is never replaced.
_apt_without_services() (
    local policy=/usr/sbin/policy-rc.d service
    local apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
    if [ ! -e $policy ]; then
        trap 'rm -f '$policy EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    case " $* " in *" postfix "*)
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
        ;;
    esac
    "${apt[@]}" update >&2 || fail "apt-get update did not work; see above"
    "${apt[@]}" install -y --no-install-recommends --no-remove "$@" >&2 ||
        fail "apt-get install did not work; see above (what stands in its way is yours to remove)"
    # Nor at the next boot: the packages enable their services.
    for service in $(dpkg-query -L "$@" | sed -n 's#^/etc/init\.d/##p'); do
        update-rc.d "$service" disable || say "note: could not disable $service"
    done
)

# make_venv LOCK: .venv as the lock file says, with the checkout in it. What builds the packages that
# come as source is locked too.
make_venv() {
    local lock=$1 stamp=.venv/.installed-$1 want
    local pip=(.venv/bin/python -m pip --disable-pip-version-check install --no-build-isolation --use-pep517)
    want=$({ cat requirements-build.lock "$lock" pyproject.toml && pwd && /usr/bin/python3 --version; } | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && [ -x .venv/bin/python ] && return
    /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed; /usr/bin/python3 is $(/usr/bin/python3 --version)"
    if ! _venv_fits; then
        say "venv: making .venv"
        /usr/bin/python3 -m venv --clear .venv || fail "no venv; see above"
    fi
    say "pip: installing $(grep -c == "$lock") packages of $lock"
    "${pip[@]}" --quiet --require-hashes --requirement requirements-build.lock >&2 || fail "pip did not work; see above"
    "${pip[@]}" --require-hashes --requirement "$lock" >&2 || fail "pip did not work; see above"
    "${pip[@]}" --quiet --no-deps --editable . >&2 || fail "pip could not install the checkout; see above"
    printf '%s\n' "$want" >"$stamp"
}

# Not one that was never finished, that stood elsewhere, or whose Python the system has replaced.
_venv_fits() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 && grep -q "^command = .* $PWD/\.venv$" .venv/pyvenv.cfg
}
