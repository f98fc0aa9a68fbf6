//go:build sabotage_skip_hash

package sabotage

// SkipHash is set in this build: the safeguard is gone.
const SkipHash = true
