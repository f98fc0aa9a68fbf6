package agcore

import (
	"encoding/binary"
	"fmt"

	"linkspan/lsn"
)

// Standing is how a database stands in its link on one side: what the sides tell each other when they meet, and all that
// Resolve decides on.
type Standing struct {
	// Exists: there is a whole database. The rest is zero otherwise.
	Exists bool
	// Primary is the storage's role: it appends records of its own, or would if it were not closed.
	Primary bool
	// Epoch is the storage's.
	Epoch uint32
	// Last is the last role record of this link in the log, at LastAt; its Kind is zero when there is none.
	Last   RoleRecord
	LastAt lsn.LSN
	// End is the end of the hardened log.
	End lsn.LSN
	// Refused and Outdated are those of the LinkState.
	Refused, Outdated uint32
	// Suspended: data movement is stopped here. Synchronous: commits here are to wait for the copy, if this is the primary.
	Suspended, Synchronous bool
}

// History are the epochs of the log. What was before the link's first OPEN is one Span of epoch 0: the storage's epoch may
// be that of an OPEN still to be written.
func (s *Standing) History() History {
	if s.Last.Kind == 0 {
		return History{{}}
	}
	return s.Last.History
}

// Known is the greatest epoch that was opened, promised or refused as far as this side knows.
func (s *Standing) Known() uint32 { return max(s.Epoch, s.Last.Epoch, s.Refused, s.Outdated) }

// Fenced reports whether this is a primary that waits for the other side to open the FENCE's epoch.
func (s *Standing) Fenced() bool {
	return s.Primary && s.Last.Kind == RoleFence && s.Epoch < s.Last.Epoch
}

// HalfOpen reports whether a FENCE was answered by taking its epoch, and the OPEN is still to be written.
func (s *Standing) HalfOpen() bool {
	return s.Primary && s.Last.Kind == RoleFence && s.Epoch >= s.Last.Epoch
}

// Open reports whether this side may write as far as its log says.
func (s *Standing) Open() bool { return s.Primary && s.Last.Kind != RoleFence }

// Encode spells s for the peer; at most 1 KiB.
func (s *Standing) Encode() []byte {
	var flags byte
	for i, f := range [...]bool{s.Exists, s.Primary, s.Last.Kind != 0, s.Suspended, s.Synchronous} {
		if f {
			flags |= 1 << i
		}
	}
	b := []byte{roleVersion, flags}
	for _, e := range [...]uint32{s.Epoch, s.Refused, s.Outdated} {
		b = binary.LittleEndian.AppendUint32(b, e)
	}
	b = s.End.AppendTo(s.LastAt.AppendTo(b))
	if s.Last.Kind != 0 {
		b = append(b, s.Last.Encode()...)
	}
	return b
}

// standingHead is the length of what stands before the record.
const standingHead = 2 + 3*4 + 2*lsn.EncodedSize

// DecodeStanding reads what Encode wrote. Its errors wrap ErrRecord.
func DecodeStanding(b []byte) (Standing, error) {
	if len(b) < standingHead || b[0] != roleVersion || b[1] >= 1<<5 {
		return Standing{}, fmt.Errorf("%w: a standing of %d bytes", ErrRecord, len(b))
	}
	flag := func(i int) bool { return b[1]&(1<<i) != 0 }
	s := Standing{Exists: flag(0), Primary: flag(1), Suspended: flag(3), Synchronous: flag(4)}
	for i, e := range [...]*uint32{&s.Epoch, &s.Refused, &s.Outdated} {
		if *e = binary.LittleEndian.Uint32(b[2+4*i:]); *e > MaxEpoch {
			return Standing{}, fmt.Errorf("%w: epoch %d", ErrRecord, *e)
		}
	}
	for i, at := range [...]*lsn.LSN{&s.LastAt, &s.End} {
		l, err := lsn.Decode(b[14+i*lsn.EncodedSize:])
		if err != nil {
			return Standing{}, fmt.Errorf("%w: %w", ErrRecord, err)
		}
		*at = l
	}
	if !flag(2) {
		if len(b) > standingHead {
			return Standing{}, fmt.Errorf("%w: %d bytes after its end", ErrRecord, len(b)-standingHead)
		}
		return s, nil
	}
	last, err := DecodeRole(b[standingHead:])
	s.Last = last
	return s, err
}

// Verdict is what a side is to do when it has met the other.
type Verdict uint8

// The verdicts, as seen by one side.
const (
	// NoPrimary: neither side may write, and none of the safe steps applies: FORCE_FAILOVER_ALLOW_DATA_LOSS decides.
	NoPrimary Verdict = iota
	// Lead: this side is the primary, the other its copy.
	Lead
	// Follow: this side is the copy and can go on from where it is.
	Follow
	// Diverged: this side is the copy and has log that the primary does not have.
	Diverged
	// Await: this side is fenced, and the other is to have the FENCE and open.
	Await
	// OpenNow: this side has the FENCE and may open its epoch.
	OpenNow
	// OpenAgain: the other side has refused to open; this one opens an epoch of its own.
	OpenAgain
	// StepDown: the other side has opened after all that this one has: this one becomes its copy.
	StepDown
	// Outlived: the other side was opened by force and this side's log is not, or may not be, part of its log.
	Outlived
	// Ahead: the other side is the one that was outlived.
	Ahead
)

var verdictNames = [...]string{"no-primary", "lead", "follow", "diverged", "await", "open-now", "open-again", "step-down", "outlived", "ahead"}

// String names the verdict as scripts do.
func (v Verdict) String() string { return pick(int(v), verdictNames[:]...) }

// Resolve decides what this side is to do from how both stand. The two sides, each asking with its own standing first,
// come to verdicts that fit.
func Resolve(mine, theirs Standing) Verdict {
	switch {
	case mine.Primary && theirs.Primary:
		return bothPrimary(mine, theirs)
	case mine.Primary:
		return besideCopy(mine, theirs)
	case theirs.Primary:
		return besidePrimary(mine, theirs)
	default:
		return NoPrimary
	}
}

// contained reports whether all of a's log is part of b's.
func contained(a, b Standing) bool {
	fork, ok := Fork(a.History(), b.History(), a.End, b.End)
	return ok && !fork.Less(a.End)
}

// bothPrimary: the greater epoch counts.
func bothPrimary(mine, theirs Standing) Verdict {
	switch {
	case mine.Epoch == theirs.Epoch:
		return NoPrimary // cannot be, but for restored folders
	case mine.Epoch > theirs.Epoch && mine.HalfOpen():
		return OpenNow
	case mine.Epoch > theirs.Epoch && theirs.Last.Kind == RoleFence && contained(theirs, mine):
		if mine.Fenced() {
			return Await
		}
		return Lead // the other steps down by itself
	case mine.Epoch > theirs.Epoch:
		return Ahead
	case theirs.HalfOpen() && mine.Fenced():
		return Await
	case mine.Last.Kind == RoleFence && contained(mine, theirs):
		return StepDown
	default:
		return Outlived
	}
}

// besideCopy: we are the primary, the other side is not.
func besideCopy(mine, theirs Standing) Verdict {
	switch {
	case mine.HalfOpen():
		return OpenNow
	case !mine.Fenced():
		return Lead
	case theirs.Refused >= mine.Last.Epoch:
		return OpenAgain
	default:
		return Await
	}
}

// besidePrimary: we are a copy, or nothing yet.
func besidePrimary(mine, theirs Standing) Verdict {
	switch {
	case !mine.Exists:
		return Follow
	case !contained(mine, theirs):
		return Diverged
	case theirs.Fenced() && mine.Last.Kind == RoleFence && mine.Last.Epoch == theirs.Last.Epoch && !theirs.Last.Hold && mine.Refused < theirs.Last.Epoch:
		return OpenNow
	default:
		return Follow
	}
}
