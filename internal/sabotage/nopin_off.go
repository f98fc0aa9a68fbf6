//go:build !sabotage_nopin

package sabotage

// NoPin has nobody counted who still reads a version or the log: a checkpoint overwrites what they need.
const NoPin = false
