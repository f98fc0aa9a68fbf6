//go:build !sabotage_early_publish

package sabotage

// EarlyPublish shows a commit to readers as soon as it is appended, before it is hardened.
const EarlyPublish = false
