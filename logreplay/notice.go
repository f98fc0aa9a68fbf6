package logreplay

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"strings"
	"time"

	"linkspan/media"
)

const (
	defaultNotice = 200 * time.Millisecond
	// idleAfter is after how long without a new file nobody looks between two looks.
	idleAfter = 10 * time.Minute
	// listShare is how many times as long as a listing took passes before the next.
	listShare = 5
)

// listing tells one list of a folder from another.
type listing struct{ h hash.Hash64 }

func newListing() listing { return listing{fnv.New64a()} }

func (l listing) add(e media.Entry) {
	p := append([]byte(e.Name), 0)
	p = binary.BigEndian.AppendUint64(p, uint64(e.Size))                //nolint:gosec // to be told apart
	p = binary.BigEndian.AppendUint64(p, uint64(e.Modified.UnixNano())) //nolint:gosec // as above
	_, _ = l.h.Write(p)                                                 // a hash takes everything
}

func (l listing) sum() uint64 { return l.h.Sum64() }

// pause returns when the folder is to be looked at again: after Poll, when its list has changed, or when somebody wishes to
// complete the job, which is answered here.
func (j *job) pause() {
	o := j.m.o
	look, stop := o.Clock.After(o.Poll)
	defer stop()
	for wait := j.noticeEvery(); ; {
		var next <-chan time.Time
		release := func() {}
		if wait > 0 {
			next, release = o.Clock.After(wait)
		}
		select {
		case <-j.ctx.Done():
		case <-look:
		case w := <-j.wishes:
			w.answer <- w.do()
		case <-next:
			release()
			began := o.Clock.Now()
			if j.listed() {
				return
			}
			wait = max(wait, listShare*o.Clock.Now().Sub(began))
			continue
		}
		release()
		return
	}
}

// noticeEvery is how often the list is asked for; 0 is never. A file that grows is looked at no more often for that.
func (j *job) noticeEvery() time.Duration {
	o := j.m.o
	if o.Notice <= 0 || j.scan.growing || o.Clock.Now().Sub(j.scan.changed) > idleAfter {
		return 0
	}
	if !strings.HasPrefix(j.snapshot().Spec.Container, folderScheme) {
		return 2 * o.Notice
	}
	return o.Notice
}

// listed reports whether the folder's list is another than at the last look. Trouble is the look's to tell.
func (j *job) listed() bool {
	src, err := j.m.open(j.snapshot().Spec)
	if err != nil {
		return false
	}
	defer src.Close() //nolint:errcheck // opened for reading
	list := newListing()
	if err := src.List(j.ctx, "", func(e media.Entry) error { list.add(e); return nil }); err != nil {
		return false
	}
	return list.sum() != j.scan.listing
}
