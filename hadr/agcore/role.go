package agcore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"linkspan/lsn"
)

// ControlRole is the kind of control record that holds a RoleRecord.
const ControlRole = 1

// Side is one of the two ends of a link. It never changes in a link's life; who is primary does.
type Side uint8

// The sides. Side 2 makes the connections.
const (
	Side1 Side = 1 // where the link was created: the SQL Server
	Side2 Side = 2 // the managed instance, or the second group of a distributed one
)

// Other is the other side.
func (s Side) Other() Side { return 3 - s }

// NextEpoch is the least epoch after the given one that the side may open: side 1 opens odd ones and side 2 even ones, so
// that the two can never open the same, whatever is forced where.
func NextEpoch(after uint32, s Side) uint32 {
	if s.Opens(after + 1) {
		return after + 1
	}
	return after + 2
}

// Opens reports whether epoch is one that the side may open.
func (s Side) Opens(epoch uint32) bool { return epoch%2 == uint32(s)%2 }

// RoleKind says what a RoleRecord does.
type RoleKind uint8

// The kinds; zero is no record.
const (
	// RoleFence: the primary stops writing. What follows in the log, if anything, is an OPEN.
	RoleFence RoleKind = 1
	// RoleOpen: the side that writes this record is primary from here on, in the record's epoch.
	RoleOpen RoleKind = 2
)

// String names the kind as logs and scripts do.
func (k RoleKind) String() string { return pick(int(k), "none", "FENCE", "OPEN") }

// RoleRecord is a change of roles as it stands in the database's own log. The last one, with the storage's role, is the
// role of the database.
type RoleRecord struct {
	Kind RoleKind
	// Epoch is, of an OPEN, that of the records from it on; of a FENCE, the one that the other side may open.
	Epoch uint32
	// Link is the id of the link. A record of another link counts as none.
	Link ID
	Time time.Time
	// Hold, of a FENCE: the other side opens by statement only, not because it has the record.
	Hold bool
	// Forced, of an OPEN: it did not wait for a FENCE.
	Forced bool
	// History are the epochs of the log up to here; of an OPEN its own is the last.
	History History
}

// MaxEpoch is the greatest epoch that is believed: none is ever so many failovers old, and beyond it the next one would
// wrap around to one that is over.
const MaxEpoch = 1 << 31

// roleVersion is that of the encoding.
const roleVersion = 1

// maxHistory is how many epochs a History remembers.
const maxHistory = 64

// ErrRecord is wrapped by the errors of DecodeRole and DecodeStanding.
var ErrRecord = errors.New("not a record of roles")

const (
	roleHold   = 1 << 0
	roleForced = 1 << 1
)

// Encode spells r for AppendControl: version, kind, flags, epoch, link, time in microseconds, history; at most 1 KiB.
func (r *RoleRecord) Encode() []byte {
	var flags byte
	if r.Hold {
		flags |= roleHold
	}
	if r.Forced {
		flags |= roleForced
	}
	b := []byte{roleVersion, byte(r.Kind), flags}
	b = binary.LittleEndian.AppendUint32(b, r.Epoch)
	b = append(b, r.Link[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Time.UnixMicro()))
	return r.History.append(b)
}

// roleHead is the length of what stands before the history.
const roleHead = 3 + 4 + 16 + 8

// DecodeRole reads what Encode wrote. Its errors wrap ErrRecord.
func DecodeRole(b []byte) (RoleRecord, error) {
	if len(b) < roleHead {
		return RoleRecord{}, fmt.Errorf("%w: %d bytes, at least %d wanted", ErrRecord, len(b), roleHead)
	}
	r := RoleRecord{Kind: RoleKind(b[1]), Hold: b[2]&roleHold != 0, Forced: b[2]&roleForced != 0}
	if b[0] != roleVersion || r.Kind < RoleFence || r.Kind > RoleOpen || b[2]&^(roleHold|roleForced) != 0 {
		return RoleRecord{}, fmt.Errorf("%w: version %d, kind %d, flags %#x", ErrRecord, b[0], b[1], b[2])
	}
	if r.Epoch = binary.LittleEndian.Uint32(b[3:]); r.Epoch > MaxEpoch {
		return RoleRecord{}, fmt.Errorf("%w: epoch %d", ErrRecord, r.Epoch)
	}
	copy(r.Link[:], b[7:])
	r.Time = time.UnixMicro(int64(binary.LittleEndian.Uint64(b[23:]))).UTC()
	h, rest, err := decodeHistory(b[roleHead:])
	if err != nil {
		return RoleRecord{}, err
	}
	if len(rest) > 0 {
		return RoleRecord{}, fmt.Errorf("%w: %d bytes after its end", ErrRecord, len(rest))
	}
	r.History = h
	return r, nil
}

// Closed reports whether a database with that last role record (zero Kind: none of its link) and link state takes no
// writers. It is what storage.Options.Fenced is to answer, without asking the database anything.
func Closed(last RoleRecord, s *LinkState) bool {
	return last.Kind == RoleFence || s.Outdated > last.opened() || s.Forcing > last.opened()
}

// opened is the last epoch that was opened, up to and with the record.
func (r *RoleRecord) opened() uint32 {
	if r.Kind == RoleOpen {
		return r.Epoch
	}
	if len(r.History) == 0 {
		return 0
	}
	return r.History[len(r.History)-1].Epoch
}

// Span is one epoch in a log.
type Span struct {
	Epoch uint32
	// After is the LSN before the epoch's first record.
	After lsn.LSN
}

// History are the epochs that a log went through, oldest first, at most 64. The first Span of a link's life is epoch 0 after
// the zero LSN and stands for everything before the link's first OPEN.
type History []Span

// Add returns h with one more epoch; the oldest one is forgotten where there are too many.
func (h History) Add(epoch uint32, after lsn.LSN) History {
	n := append(append(make(History, 0, len(h)+1), h...), Span{epoch, after})
	return n[max(0, len(n)-maxHistory):]
}

// end is where the records of span i end in a log that ends at end.
func (h History) end(i int, end lsn.LSN) lsn.LSN {
	if i+1 < len(h) {
		return h[i+1].After
	}
	return end
}

func (h History) append(b []byte) []byte {
	h = h[max(0, len(h)-maxHistory):]
	b = append(b, byte(len(h)))
	for _, s := range h {
		b = s.After.AppendTo(binary.LittleEndian.AppendUint32(b, s.Epoch))
	}
	return b
}

func decodeHistory(b []byte) (History, []byte, error) {
	const size = 4 + lsn.EncodedSize
	if len(b) < 1 || b[0] > maxHistory || len(b) < 1+int(b[0])*size {
		return nil, nil, fmt.Errorf("%w: its history is cut", ErrRecord)
	}
	var h History
	n := int(b[0])
	b = b[1:]
	for range n {
		at, err := lsn.Decode(b[4:size])
		if err != nil {
			return nil, nil, errors.Join(ErrRecord, err)
		}
		s := Span{binary.LittleEndian.Uint32(b), at}
		if k := len(h); s.Epoch > MaxEpoch || k > 0 && (s.Epoch <= h[k-1].Epoch || s.After.Less(h[k-1].After)) {
			return nil, nil, fmt.Errorf("%w: its history goes back from epoch %d to %d", ErrRecord, h[k-1].Epoch, s.Epoch)
		}
		h = append(h, s)
		b = b[size:]
	}
	return h, b, nil
}

// Fork is the last LSN that two logs of one database share, given their histories and ends; false when the histories do
// not reach back that far.
func Fork(a, b History, endA, endB lsn.LSN) (lsn.LSN, bool) {
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				return lsn.Earliest(a.end(i, endA), b.end(j, endB)), true
			}
		}
	}
	return lsn.Zero, false
}
