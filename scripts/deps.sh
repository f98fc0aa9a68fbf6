#!/usr/bin/env bash
# Install the real parts that the tests, and with the word "bench" the benchmarks, run against. Does nothing, and asks
# nobody, where they are present.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
command -v tsql >/dev/null || need+=(freetds-bin)
command -v smbd >/dev/null || need+=(samba)
command -v az >/dev/null || need+=(azure-cli)
command -v npm >/dev/null || need+=(npm)
if [ "${1:-}" = bench ]; then # what is measured beside, not needed by any test
  [ -x /usr/lib/postgresql/15/bin/postgres ] || need+=(postgresql-15)
fi
if [ ${#need[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "the tests need ${need[*]} (Debian's names); there is no apt-get here: install them by hand" >&2
    exit 1
  fi
  root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "the tests need ${need[*]}: run \"apt-get install ${need[*]}\" as root" >&2; exit 1; }
    root=(sudo)
  fi
  echo "installing ${need[*]}" >&2
  apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  # apt-get tells what it does on standard output, and what is wrong on standard error.
  "${apt[@]}" update >/dev/null
  "${apt[@]}" install -y --no-install-recommends "${need[@]}" >/dev/null
fi
azurite=.cache/azurite/node_modules/.bin/azurite-blob
if [ ! -x "$azurite" ]; then
  echo "installing azurite" >&2
  mkdir -p .cache/azurite
  # npm knows no authorities but its own; the machine's count too, as for every other program.
  machine=/etc/ssl/certs/ca-certificates.crt
  [ ! -r "$machine" ] || export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$machine}"
  npm install --prefix .cache/azurite --loglevel=error --no-update-notifier --no-audit --no-fund --no-package-lock azurite@3 >/dev/null || {
    echo "npm could not install azurite, which the tests of blob storage need; its reason stands above." >&2
    echo "Without it, \"go test ./...\" runs everything else." >&2
    exit 1
  }
fi
