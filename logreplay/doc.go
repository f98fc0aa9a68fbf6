// Package logreplay owns the Log Replay Service of a managed instance: databases that are restored from a folder of backups
// as the files arrive, until somebody completes or stops them. One job per database; what a job knows is kept by the
// instance, so that it goes on after a restart at the last set that was restored. What is decided is package flow's.
package logreplay
