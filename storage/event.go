package storage

import "linkspan/lsn"

// EventKind says what happened.
type EventKind uint8

// The kinds of Event, with the fields they fill in.
const (
	// EventStopped: the database takes no commit any more, because of Err (ErrPoisoned, ErrDamaged, ErrDigest).
	EventStopped EventKind = iota + 1
	// EventVersionLost: the readers of the version LSN, made at Since, were given up: Used bytes of old versions were
	// held, with room for Limit.
	EventVersionLost
	// EventLogFull: commits fail with 9002 for Reason; it is told once, until a commit gets through.
	EventLogFull
	// EventRetentionHigh: Used bytes of log are kept for links only, more than 80 % of Limit; or, with Reason
	// "DISK_SPACE", Used bytes of disk are free, and at Limit that log is let go. Told once, until it is better.
	EventRetentionHigh
	// EventLogDropped: Used bytes of log that links wanted were let go: what a copy needs from before LSN it does not
	// get any more. Reason is "RETENTION_LIMIT" or "DISK_SPACE".
	EventLogDropped
	// EventBadPage: Page is not what was written.
	EventBadPage
	// EventPageRepaired: Page is again what was written; Reason is "CACHE" or "COPY", where it was had from.
	EventPageRepaired
	// EventPageLost: Page could not be repaired, because of Err.
	EventPageLost
)

// Event is something that an operator should know. Fields that its kind does not name are zero.
type Event struct {
	Kind        EventKind
	Err         error
	LSN         lsn.LSN
	Used, Limit int64
	// Since is a commit's time in nanoseconds since 1970.
	Since  int64
	Reason string
	Page   *BadPage
}

func (db *DB) event(e Event) {
	if db.o.Event != nil {
		db.o.Event(e)
	}
}
