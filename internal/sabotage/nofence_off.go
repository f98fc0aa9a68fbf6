//go:build !sabotage_nofence

package sabotage

// NoFence has the old primary go on taking writers after it has stopped for a failover.
const NoFence = false
