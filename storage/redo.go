package storage

import (
	"sync/atomic"
	"time"
)

// What redo costs as measured on a slow machine: for each record, each byte of log, and each page read and hashed.
const (
	redoRecord = 10 * time.Microsecond
	redoPage   = 40 * time.Microsecond
	redoMiB    = 2 * time.Millisecond
)

// redo estimates how long a restart would take to apply the log since the last checkpoint.
type redo struct {
	// records and bytes are what DB.records and logFile.written were at the last checkpoint.
	records, bytes atomic.Int64
	// pace is how long redo really takes, in 1/1024 of the estimate, as the last recovery here measured it.
	pace atomic.Int64
	// target is Options.RecoveryTarget, in nanoseconds.
	target atomic.Int64
}

// cost is the estimate for some log, at the constants' pace.
func redoCost(records, bytes, pages int64) time.Duration {
	return time.Duration(records)*redoRecord + time.Duration(bytes)*redoMiB/mib + time.Duration(pages)*redoPage
}

// recovered takes down what a recovery applied, so that it counts until the next checkpoint, and how long it took.
func (db *DB) recovered(records, bytes, pages int64, took time.Duration) {
	db.redo.records.Store(db.records.Load() - records)
	db.redo.bytes.Store(db.wal.written.Load() - bytes)
	db.noteChanged(pages * PageSize)
	if want := redoCost(records, bytes, pages); want > 50*time.Millisecond { // less says nothing
		db.redo.pace.Store(int64(min(8, max(1./8, took.Seconds()/want.Seconds())) * 1024))
	}
}

// RedoTime estimates how long a restart would spend on the log since the last checkpoint.
func (db *DB) RedoTime() time.Duration {
	d := redoCost(db.records.Load()-db.redo.records.Load(), db.sinceCheckpoint(), db.changed.Load()/PageSize)
	if pace := db.redo.pace.Load(); pace > 0 {
		d = d * time.Duration(pace) / 1024
	}
	return d
}

// sinceCheckpoint is the bytes of log written since the last checkpoint.
func (db *DB) sinceCheckpoint() int64 { return db.wal.written.Load() - db.redo.bytes.Load() }

// checkpointDue reports whether the log, what redo of it would take, or the changed pages in memory have grown enough.
// The target is reached at half, as log grows while the checkpoint is made.
func (db *DB) checkpointDue() bool {
	since, limit := db.sinceCheckpoint(), db.maxLog.Load()
	return since >= db.o.CheckpointBytes || limit > 0 && since >= limit/4 || db.changed.Load() >= db.o.DirtyBytes ||
		db.redo.target.Load() > 0 && int64(db.RedoTime()) >= db.redo.target.Load()/2
}

// SetRecoveryTarget changes Options.RecoveryTarget of the open database; 0 means no target.
func (db *DB) SetRecoveryTarget(d time.Duration) { db.redo.target.Store(int64(max(0, d))) }
