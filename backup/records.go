package backup

import (
	"fmt"
	"time"

	"linkspan/lsn"
	"linkspan/pagelog"
)

// cutAfter returns the records up to the LSN, and the header of the last of them.
func cutAfter(records []byte, upTo lsn.LSN) ([]byte, *pagelog.Header, error) {
	return cut(records, func(h *pagelog.Header) bool { return upTo.Less(h.LSN) })
}

// Stop says where a restore of log ends. The zero value is the end of the backup.
type Stop struct {
	// At is a time: commits after it are left out.
	At time.Time
	// LSN is a record: what comes after it is left out, and with Before the record too.
	LSN    lsn.LSN
	Before bool
}

// over reports whether the record comes after the stop. A commit's records all carry its time.
func (s *Stop) over(h *pagelog.Header) bool {
	switch {
	case !s.At.IsZero() && h.Time > s.At.UnixNano():
		return true
	case s.LSN.IsZero():
		return false
	case s.Before:
		return !h.LSN.Less(s.LSN)
	default:
		return s.LSN.Less(h.LSN)
	}
}

// cut returns the records before the first that is over, and the header of the last of them, nil when there is none.
func cut(records []byte, over func(*pagelog.Header) bool) ([]byte, *pagelog.Header, error) {
	var last *pagelog.Header
	for i := 0; i < len(records); {
		h, _, err := pagelog.Parse(records[i:])
		if err != nil {
			return nil, nil, fmt.Errorf("%w: record at byte %d of a Log frame: %w", ErrFormat, i, err)
		}
		if over(&h) {
			return records[:i], last, nil
		}
		last = &h
		i += int(h.Length)
	}
	return records, last, nil
}
