#!/usr/bin/env bash
# The whole test run: format, vet, all tests, then what is about goroutines under the race detector.
# Any failure fails it; what a failing test said is printed where it happened and named again at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=${1:-./...}

unformatted=$(git ls-files '*.go' | xargs -r gofmt -s -l)
if [ -n "$unformatted" ]; then
  echo "not formatted (gofmt -s -w):" >&2
  echo "$unformatted" >&2
  exit 1
fi
mkdir -p bin
go build -o bin/testsum ./internal/testsum

echo "== go vet"
# shellcheck disable=SC2086
go vet $packages
echo "== tests"
# shellcheck disable=SC2086
go test -json -count=1 -timeout=12m $packages | bin/testsum

# SQLite is an order of magnitude slower under the detector: where it is underneath, only the tests run again that put
# several goroutines to work on one thing.
race() {
  go test -json -race -count=1 -timeout=5m "$@" | bin/testsum
}
echo "== under the race detector"
race -skip='^TestAzureCLI$' ./internal/startstop ./internal/clock ./internal/fsx ./tdsserver ./hadr/... ./arm ./armclient ./sqlclient ./link ./web ./daemon
race -run='^Test(Concurrency|GroupCommit|TurnIsFairAndCancellable|SeedingUnderLoad|ReaderKeepsItsVersion|LogReader|CloseInterrupts|ConcurrentSessions|ParallelSessions|Kill|Attention|Activity|Close)$' \
  ./storage ./tsql/exec ./instance
race -run='^Test(ToTheEnd|WhatIsNotDueIsCutShort|LoginsGoTheirWay|ScansShareAListing|ConnectionBreaks|FolderGoesOn|Container|Limit)$' \
  ./migrate/engine ./migrate/share ./migrate/depot
[ "$packages" = ./... ] || exit 0
echo "== without each safeguard its test fails"
scripts/sabotage.sh
