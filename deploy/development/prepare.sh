#!/bin/sh
# Makes the machine ready: Debian packages, Node 24 and the npm packages. Says what it does, one line per step, and what
# is missing where it cannot do it.
#
#   prepare.sh run|test|interop|bench
#
# Whatever it changes on the system for the time of an installation is put back at the end, and at the next start when the
# end was never reached.
set -eu

purpose=${1:-run}
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
home=${SALLYPORT_HOME:-$root/.dev}

say() { printf '%s\n' "$*"; }
fail() { printf 'sallyport: %s\n' "$*" >&2; exit 1; }
step() { printf '  %-16s %s\n' "$1" "$2"; }

policy=/usr/sbin/policy-rc.d
policy_mark='# written by sallyport for the time of one installation'
cluster_conf=/etc/postgresql-common/createcluster.conf
cluster_mark='create_main_cluster = false # sallyport, for the time of one installation'

restore_system() {
  if [ -f "$policy" ] && grep -qF "$policy_mark" "$policy"; then rm -f "$policy"; fi
  if [ -f "$cluster_conf" ] && grep -qF "$cluster_mark" "$cluster_conf"; then
    grep -vF "$cluster_mark" "$cluster_conf" > "$cluster_conf.sallyport" || true
    cat "$cluster_conf.sallyport" > "$cluster_conf"
    rm -f "$cluster_conf.sallyport"
  fi
}

has_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_headers() { command -v g++ >/dev/null 2>&1 && command -v make >/dev/null 2>&1; }

missing_packages() {
  has_postgres || printf ' postgresql'
  command -v redis-server >/dev/null 2>&1 || printf ' redis-server'
  command -v softhsm2-util >/dev/null 2>&1 || printf ' softhsm2'
  has_headers || printf ' g++ make'
  command -v python3 >/dev/null 2>&1 || printf ' python3'
  [ "$purpose" = run ] && return 0
  command -v openssl >/dev/null 2>&1 || printf ' openssl'
  command -v coap-client-openssl >/dev/null 2>&1 || printf ' libcoap3-bin'
  if [ "$purpose" = bench ]; then
    command -v cc >/dev/null 2>&1 || printf ' gcc libc6-dev'
    [ -f /usr/include/openssl/ssl.h ] || printf ' libssl-dev'
    return 0
  fi
  command -v gnutls-cli >/dev/null 2>&1 || printf ' gnutls-bin'
  command -v pkcs11-tool >/dev/null 2>&1 || printf ' opensc'
  command -v tshark >/dev/null 2>&1 || printf ' tshark'
  command -v cc >/dev/null 2>&1 || printf ' gcc libc6-dev'
  [ -f /usr/include/wolfssl/ssl.h ] || printf ' libwolfssl-dev'
  command -v go >/dev/null 2>&1 || printf ' golang-go'
  [ -d /usr/share/gocode/src/github.com/pion/dtls ] || printf ' golang-github-pion-dtls.v2-dev'
}

install_packages() {
  # postgresql creates and starts a cluster, redis-server a service: neither is ours to leave on this machine.
  trap restore_system EXIT INT TERM HUP
  [ -e "$policy" ] || { printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" > "$policy"; chmod 755 "$policy"; }
  export DEBIAN_FRONTEND=noninteractive
  log="$home/apt.log"
  : > "$log"
  apt="apt-get -y --no-install-recommends -o DPkg::Lock::Timeout=300"
  $apt update >> "$log" 2>&1 || fail "apt-get update failed; see $log"
  case " $* " in
    *' postgresql '*)
      $apt install postgresql-common >> "$log" 2>&1 || fail "apt-get install postgresql-common failed; see $log"
      [ ! -f "$cluster_conf" ] || printf '%s\n' "$cluster_mark" >> "$cluster_conf"
      ;;
  esac
  # shellcheck disable=SC2086,SC2048
  $apt install $* >> "$log" 2>&1 || fail "apt-get install $* failed; see $log"
  if command -v systemctl >/dev/null 2>&1; then
    case " $* " in *' redis-server '*) systemctl disable redis-server.service >> "$log" 2>&1 || true ;; esac
    case " $* " in *' postgresql '*) systemctl disable postgresql.service >> "$log" 2>&1 || true ;; esac
  fi
  restore_system
  trap - EXIT INT TERM HUP
}

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

[ "$(node_major)" -ge 20 ] || fail "Node 20 or newer is needed to start (found: $(node --version 2>/dev/null || echo none)). Install it, then run make again; Node 24 itself comes with the npm packages."
{ mkdir -p "$home" && [ -w "$home" ] && [ -x "$home" ]; } 2>/dev/null || fail "$home cannot be written; make it writable or set SALLYPORT_HOME to a folder that is."
[ "$(id -u)" -ne 0 ] || restore_system

# A run that was killed leaves its ready file; nobody shall take it for the one that is about to start.
. "$root/deploy/development/running-starter.sh"
[ -n "$(running_starter "$home")" ] || rm -f "$home/ready.json"

missing=$(missing_packages)
if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    fail "these Debian packages are missing:$missing
  install them, then run make again:
  sudo apt-get install -y --no-install-recommends$missing"
  fi
  command -v apt-get >/dev/null 2>&1 || fail "these programs are missing and there is no apt-get to install them:$missing"
  step 'Debian packages' "installing$missing"
  # shellcheck disable=SC2086
  install_packages $missing
  still=$(missing_packages)
  [ -z "$still" ] || fail "still missing after the installation:$still; see $home/apt.log"
fi
step 'Debian packages' 'ready'

case "$(uname -m)" in
  x86_64) platform=linux-x64 ;;
  aarch64) platform=linux-arm64 ;;
  *) fail "no Node 24 package for $(uname -s) $(uname -m); Linux on x64 or arm64 is needed" ;;
esac

stamp="$root/node_modules/.sallyport-installed"
wanted=$(cat pnpm-lock.yaml pnpm-workspace.yaml package.json | cksum)
if [ ! -x "$root/node_modules/.bin/node" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  step 'npm packages' 'installing'
  # node-gyp would fetch headers from its own site; the Node package that pnpm links brings them.
  npm_config_nodedir="$root/node_modules/node-$platform" npx -y pnpm@12.21.0 install --frozen-lockfile > "$home/pnpm.log" 2>&1 \
    || { tail -n 15 "$home/pnpm.log" >&2; fail "pnpm install failed; the whole output is in $home/pnpm.log"; }
  printf '%s' "$wanted" > "$stamp"
fi
step 'npm packages' 'ready'
version=$("$root/node_modules/.bin/node" --version) || fail 'node_modules/.bin/node does not run; delete node_modules and run make again'
step 'Node' "$version"
