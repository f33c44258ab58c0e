#!/bin/sh
# Installs what the system needs of Debian or Ubuntu, where it is missing:
#   require-debian.sh PROGRAM=PACKAGE...     a PROGRAM ending in ':' is a Python module to import instead
# As root or with a sudo that asks nothing; otherwise says what to install, and changes nothing.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
for need in "$@"; do
    program=${need%%=*} package=${need#*=}
    case $program in
        *:) "${PYTHON:-python3}" -c "import ${program%:}" 2>/dev/null || missing="$missing $package" ;;
        *) command -v "$program" >/dev/null || missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

line="apt-get install --no-install-recommends$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "Missing Debian packages. Install them as root, then run this again:" >&2
        echo "    sudo $line" >&2
        exit 1
    fi
    as_root="sudo -n"
fi
if ! command -v apt-get >/dev/null; then
    echo "This machine has no apt-get. Install by its own means what Debian calls:$missing" >&2
    exit 1
fi

# Debian starts a server as soon as it is installed, on its default port, which is not what was asked for.
policy=/usr/sbin/policy-rc.d
kept=
restore() {
    $as_root rm -f "$policy"
    [ -z "$kept" ] || $as_root mv "$kept" "$policy"
}
if [ -e "$policy" ]; then
    kept=$policy.before-inventory
    $as_root mv "$policy" "$kept"
fi
trap restore EXIT
trap 'exit 1' INT TERM HUP
printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
$as_root chmod 755 "$policy"

echo "Installing Debian packages:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

# Nor at the next boot: the system starts its own, on its own data.
if command -v systemctl >/dev/null; then
    for package in $missing; do
        case $package in
            mariadb-server) $as_root systemctl disable --quiet mariadb 2>/dev/null || true ;;
            redis-server) $as_root systemctl disable --quiet redis-server 2>/dev/null || true ;;
        esac
    done
fi
