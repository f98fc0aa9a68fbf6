package backup

import (
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
)

// cutAfter returns the records up to the LSN, and the header of the last of them.
func cutAfter(records []byte, upTo lsn.LSN) ([]byte, *pagelog.Header, error) {
	return cut(records, func(h *pagelog.Header) bool { return upTo.Less(h.LSN) })
}

// cutBefore returns the records that were committed at the time (nanoseconds since 1970) or before. A commit's records
// all carry its time, so that it is taken or left as a whole.
func cutBefore(records []byte, at int64) ([]byte, *pagelog.Header, error) {
	return cut(records, func(h *pagelog.Header) bool { return h.Time > at })
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
