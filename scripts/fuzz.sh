#!/usr/bin/env bash
# Run every fuzz target of the project for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "== $(dirname "$file") $target"
    go test -run='^$' -fuzz="^$target\$" -fuzztime="$1" "./$(dirname "$file")"
  done
done
