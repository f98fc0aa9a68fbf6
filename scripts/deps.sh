#!/usr/bin/env bash
# Install the real parts that the tests run against. Does nothing where they are present.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
command -v tsql >/dev/null || need+=(freetds-bin)
command -v smbd >/dev/null || need+=(samba)
command -v az >/dev/null || need+=(azure-cli)
command -v npm >/dev/null || need+=(npm)
if [ ${#need[@]} -gt 0 ]; then
  echo "installing ${need[*]}" >&2
  root=(); [ "$(id -u)" = 0 ] || root=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${root[@]}" apt-get update -qq
  "${root[@]}" apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi
azurite=.cache/azurite/node_modules/.bin/azurite-blob
if [ ! -x "$azurite" ]; then
  echo "installing azurite" >&2
  mkdir -p .cache/azurite
  npm install --prefix .cache/azurite --silent --no-audit --no-fund --no-package-lock azurite@3 >/dev/null
fi
