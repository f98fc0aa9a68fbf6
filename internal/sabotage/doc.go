// Package sabotage owns the switches that take one safeguard of the product away, each set by a build tag of its own
// ("sabotage_nofsync" and so on) and false without it, so that the compiler removes what stands behind it. They exist to
// prove the tests: scripts/sabotage.sh builds with each tag and wants the test that guards the promise to fail.
package sabotage
