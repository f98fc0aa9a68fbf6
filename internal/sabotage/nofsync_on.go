//go:build sabotage_nofsync

package sabotage

// NoFsync is set in this build: the safeguard is gone.
const NoFsync = true
