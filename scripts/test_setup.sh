#!/usr/bin/env bash
# Install what `make test` needs and this machine lacks; say nothing if it lacks nothing.
# As root on Debian it prints a line for each thing that it installs. Anywhere else it stops,
# before anything is downloaded, with the line to type.
set -euo pipefail

python=${PYTHON:-python3.11}
needed=("$python" make git ps curl openssl redis-server promtool fonts chromium)

present() {
    case $1 in
        "$python") "$python" -c 'import ensurepip, venv' ;;
        redis-server) ldd "$(type -P redis-server)" | grep libssl ;; # one that speaks TLS
        fonts) find /usr/share/fonts -name '*.[ot]tf' -print -quit | grep . ;;
        *) type -P "$1" ;;
    esac >/dev/null 2>&1
}

find_missing() {
    missing=()
    for thing in "${needed[@]}"; do
        present "$thing" || missing+=("$thing")
    done
}

install_one() {
    case $1 in
        "$python") packages "$python" "$python-venv" ;;
        ps) packages procps ;;
        fonts) packages fonts-dejavu-core ;;
        redis-server)
            # Debian's package of that name starts a service; the program itself is in redis-tools,
            # and is the server when called by that name.
            packages redis-tools
            ln -sf /usr/bin/redis-check-rdb /usr/local/bin/redis-server
            ;;
        promtool)
            # Its package starts a service too, and one file of it is wanted.
            cd "$work"
            quietly apt-get download prometheus
            quietly dpkg-deb -x prometheus_*.deb prometheus
            install prometheus/usr/bin/promtool /usr/local/bin/
            ;;
        *) packages "$1" ;;
    esac
}

packages() {
    quietly apt-get install -y --no-install-recommends "$@"
}

# What it prints is shown only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "make test: this failed: $*" >&2
        exit 1
    }
}

find_missing
((${#missing[@]})) || exit 0

if ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
    echo "make test needs what is missing here, please install it: ${missing[*]}" >&2
    exit 1
fi
if ((EUID)); then
    echo "make test needs what is missing here: ${missing[*]}. To install it: sudo bash scripts/test_setup.sh" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "make test: reading Debian's list of packages"
quietly apt-get update
for thing in "${missing[@]}"; do
    echo "make test: installing $thing"
    install_one "$thing"
done
hash -r
find_missing
if ((${#missing[@]})); then
    echo "make test: still not found after installing: ${missing[*]}. Is another one before it on PATH?" >&2
    exit 1
fi
