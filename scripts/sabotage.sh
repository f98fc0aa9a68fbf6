#!/usr/bin/env bash
# Prove the tests: for each safeguard that a build tag takes away (internal/sabotage), its named tests fail, and pass
# without the tag. A build that does not compile, or a test that does not run, proves nothing and fails this.
set -euo pipefail
cd "$(dirname "$0")/.."

# tag, package, tests
proofs='
nofsync        ./storage     TestCrashRecoversAcknowledged
early_publish  ./storage     TestGroupCommit
nopin          ./storage     TestReaderKeepsItsVersion TestSeedingUnderLoad
copied_digest  ./storage     TestCopyComputesItsOwnDigest
skip_hash      ./storage     TestDamagedPageIsNamed
nofence        ./storage     TestFenceKeepsWritersOut TestFenceSurvivesRestart
nofence        ./hadr/agsim  TestSimulationNeverTwoWritable
'
bad=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# run TAGS PACKAGE TESTS: run the tests and keep what they say.
run() {
  go test -count=1 -timeout=3m -tags="$1" -run="^(${3// /|})\$" -v "$2" >"$out" 2>&1 || true
}

# outcome TEST: what the test did, in one word.
outcome() {
  if grep -q "^--- PASS: $1 " "$out"; then echo green
  elif grep -q "^--- FAIL: $1 " "$out"; then echo red
  else echo broken; fi
}

for tag in $(sed -n 's/^\/\/go:build sabotage_//p' internal/sabotage/*.go); do
  grep -q "^$tag " <<<"$proofs" || { echo "sabotage_$tag: no test is named for it in scripts/sabotage.sh" >&2; bad=1; }
done
printf '%-24s %-14s %-34s %-10s %s\n' tag package test without with
while read -r tag package tests; do
  [ -n "$tag" ] || continue
  run '' "$package" "$tests"
  declare -A without=()
  for t in $tests; do without[$t]=$(outcome "$t"); done
  run "sabotage_$tag" "$package" "$tests"
  for t in $tests; do
    with=$(outcome "$t")
    printf '%-24s %-14s %-34s %-10s %s\n' "sabotage_$tag" "$package" "$t" "${without[$t]}" "$with"
    [ "${without[$t]} $with" = 'green red' ] || { bad=1; tail -n 20 "$out" >&2; }
  done
done <<<"$proofs"
[ $bad = 0 ] || { echo "a safeguard can be taken away without its test failing, or the test proves nothing" >&2; exit 1; }
