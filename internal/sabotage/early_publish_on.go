//go:build sabotage_early_publish

package sabotage

// EarlyPublish is set in this build: the safeguard is gone.
const EarlyPublish = true
