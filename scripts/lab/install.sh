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
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || fail "$1 needs root (its own Postfix does); run it as root or install sudo"
    exec sudo --preserve-env=PIP_CONFIG_FILE,PIP_CERT,PIP_INDEX_URL,PIP_EXTRA_INDEX_URL "$@"
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

# With our policy-rc.d for the time of the install, unless the machine has one of its own.
_apt_without_services() (
    local policy=/usr/sbin/policy-rc.d service
    export DEBIAN_FRONTEND=noninteractive
    if [ ! -e $policy ]; then
        trap 'rm -f '$policy EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    case " $* " in *" postfix "*)
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
        ;;
    esac
    apt-get update -q >&2 || fail "apt-get update did not work; see above"
    apt-get install -q -y --no-install-recommends "$@" >&2 || fail "apt-get install did not work; see above"
    # Nor at the next boot: the packages enable their services.
    for service in postfix nsd saslauthd; do
        case " $* " in *" $service "* | *" ${service/saslauthd/sasl2-bin} "*)
            if command -v systemctl >/dev/null; then
                systemctl --quiet disable "$service" 2>/dev/null || say "note: could not disable $service"
            fi
            ;;
        esac
    done
)

# make_venv LOCK: .venv as the lock file says, with the checkout in it.
make_venv() {
    local lock=$1 stamp=.venv/.installed-$1 want
    want=$(cat "$lock" pyproject.toml | sha256sum)
    [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return
    /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed; /usr/bin/python3 is $(/usr/bin/python3 --version)"
    if [ ! -x .venv/bin/python ]; then
        say "venv: making .venv"
        /usr/bin/python3 -m venv .venv
    fi
    say "pip: installing $(grep -c == "$lock") packages of $lock"
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes --requirement "$lock" >&2 ||
        fail "pip did not work; see above"
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
        --editable . >&2 || fail "pip could not install the checkout; see above"
    printf '%s\n' "$want" >"$stamp"
}
