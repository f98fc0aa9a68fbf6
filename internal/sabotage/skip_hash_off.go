//go:build !sabotage_skip_hash

package sabotage

// SkipHash has pages of the base file believed without comparing them with their hashes.
const SkipHash = false
