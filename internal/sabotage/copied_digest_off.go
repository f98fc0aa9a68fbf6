//go:build !sabotage_copied_digest

package sabotage

// CopiedDigest has a copy take the digest that the primary's record states for its own instead of computing it.
const CopiedDigest = false
