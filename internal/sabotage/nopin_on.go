//go:build sabotage_nopin

package sabotage

// NoPin is set in this build: the safeguard is gone.
const NoPin = true
