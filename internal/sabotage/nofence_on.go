//go:build sabotage_nofence

package sabotage

// NoFence is set in this build: the safeguard is gone.
const NoFence = true
