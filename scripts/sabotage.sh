#!/usr/bin/env bash
# Prove the tests: for each safeguard that a build tag takes away (internal/sabotage), its named test fails, and passes
# without the tag. A build that does not compile, or a test that does not run, proves nothing and fails this.
set -euo pipefail
cd "$(dirname "$0")/.."

# tag, package, test
proofs='
nofsync        ./storage  TestCrashRecoversAcknowledged
early_publish  ./storage  TestGroupCommit
nopin          ./storage  TestReaderKeepsItsVersion
nopin          ./storage  TestSeedingUnderLoad
copied_digest  ./storage  TestCopyComputesItsOwnDigest
skip_hash      ./storage  TestDamagedPageIsNamed
nofence        ./storage  TestFenceKeepsWritersOut
nofence        ./storage  TestFenceSurvivesRestart
'
bad=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# try TAGS PACKAGE TEST: what the test did, in one word.
try() {
  if go test -count=1 -timeout=2m -tags="$1" -run="^$3\$" -v "$2" >"$out" 2>&1; then
    grep -q "^--- PASS: $3 " "$out" && echo green || echo absent
  else
    grep -q "^--- FAIL: $3 " "$out" && echo red || echo broken
  fi
}

for tag in $(sed -n 's/^\/\/go:build sabotage_//p' internal/sabotage/*.go); do
  grep -q "^$tag " <<<"$proofs" || { echo "sabotage_$tag: no test is named for it in scripts/sabotage.sh" >&2; bad=1; }
done
printf '%-24s %-12s %-34s %-10s %s\n' tag package test without with
while read -r tag package test; do
  [ -n "$tag" ] || continue
  without=$(try '' "$package" "$test")
  with=$(try "sabotage_$tag" "$package" "$test")
  printf '%-24s %-12s %-34s %-10s %s\n' "sabotage_$tag" "$package" "$test" "$without" "$with"
  if [ "$without $with" != 'green red' ]; then
    bad=1
    [ "$with" = red ] || tail -n 20 "$out" >&2
  fi
done <<<"$proofs"
[ $bad = 0 ] || { echo "a safeguard can be taken away without its test failing, or the test proves nothing" >&2; exit 1; }
