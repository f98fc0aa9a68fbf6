//go:build sabotage_copied_digest

package sabotage

// CopiedDigest is set in this build: the safeguard is gone.
const CopiedDigest = true
