#!/usr/bin/env bash
# The whole test run: format, vet, all tests, then the packages with goroutines under the race detector.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=$1 race=$2

unformatted=$(git ls-files '*.go' | xargs -r gofmt -s -l)
if [ -n "$unformatted" ]; then
  echo "not formatted (gofmt -s -w):" >&2
  echo "$unformatted" >&2
  exit 1
fi
# shellcheck disable=SC2086
go vet $packages
# shellcheck disable=SC2086
go test -count=1 -timeout=12m $packages
# Only the tests that are about goroutines: SQLite is an order of magnitude slower under the detector.
# shellcheck disable=SC2086
go test -race -short -count=1 -timeout=12m $race
