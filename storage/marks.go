package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// watermarks are the versions that order everything: published ≤ durable ≤ appended on a primary; on a replica
// published and durable both follow appended, each at its own pace.
type watermarks struct {
	mu        sync.Mutex // protects the rest
	appended  *logvfs.Version
	durable   *logvfs.Version
	published *logvfs.Version
	epoch     uint32
	err       error
	// rewinds counts: what was seen before one is not to be made true after it.
	rewinds int64
	// changed is closed when any of these moves, if somebody waits.
	changed chan struct{}
	// moved wakes the flusher.
	moved chan struct{}

	closing atomic.Bool
	// stopped is told the error that stops the database, once.
	stopped func(error)
}

func (m *watermarks) init(v *logvfs.Version, epoch uint32) {
	m.appended, m.durable, m.published, m.epoch = v, v, v, epoch
	m.moved = make(chan struct{}, 1)
}

// wake tells the waiters. It needs mu.
func (m *watermarks) wake() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// wait returns a channel that is closed at the next change. It needs mu.
func (m *watermarks) wait() <-chan struct{} {
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

func (m *watermarks) appendedVersion() *logvfs.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.appended
}

func (m *watermarks) durableVersion() *logvfs.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.durable
}

func (m *watermarks) publishedVersion() *logvfs.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.published
}

func (m *watermarks) currentEpoch() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch
}

func (m *watermarks) setEpoch(epoch uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch < m.epoch {
		return fmt.Errorf("epoch %d is before the present %d", epoch, m.epoch)
	}
	m.epoch = epoch
	return nil
}

// append moves appended, and with it durable and published when they need not be waited for.
func (m *watermarks) append(v *logvfs.Version, durable, published bool) {
	m.mu.Lock()
	m.appended = v
	m.epoch = max(m.epoch, v.Epoch)
	if durable {
		m.durable = v
	}
	if published {
		m.published = v
	}
	if durable || published {
		m.wake()
	}
	m.mu.Unlock()
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

// generation is the number of rewinds.
func (m *watermarks) generation() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rewinds
}

// rewound makes v the only version there is.
func (m *watermarks) rewound(v *logvfs.Version, epoch uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appended, m.durable, m.published, m.epoch = v, v, v, epoch
	m.rewinds++
	m.wake()
}

// harden moves durable to v, and published with it if asked, unless there was a rewind since that generation.
func (m *watermarks) harden(v *logvfs.Version, published bool, generation int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rewinds != generation {
		return
	}
	if m.durable.LSN.Less(v.LSN) {
		m.durable = v
	}
	if published && m.published.LSN.Less(v.LSN) {
		m.published = v
	}
	m.wake()
}

// publish moves published to v, unless there was a rewind since that generation.
func (m *watermarks) publish(v *logvfs.Version, generation int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rewinds == generation && m.published.LSN.Less(v.LSN) {
		m.published = v
		m.wake()
	}
}

// fail stops the database for good, unless it is stopped already.
func (m *watermarks) fail(err error) {
	m.mu.Lock()
	first := m.err == nil
	if first {
		m.err = err
	}
	m.wake()
	m.mu.Unlock()
	if first && m.stopped != nil && !errors.Is(err, ErrClosed) {
		m.stopped(err)
	}
}

func (m *watermarks) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// until waits until done, which runs under mu, says so. What is reached already counts even if the database stopped.
func (m *watermarks) until(ctx context.Context, done func() bool) error {
	for {
		m.mu.Lock()
		if done() {
			m.mu.Unlock()
			return nil
		}
		if m.err != nil {
			m.mu.Unlock()
			return m.err
		}
		c := m.wait()
		m.mu.Unlock()
		select {
		case <-c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Appended is the LSN of the last record in the log; it may be lost in a crash.
func (db *DB) Appended() lsn.LSN { return db.marks.appendedVersion().LSN }

// Hardened is the LSN of the last commit that is durable here. On a replica this is what it may acknowledge.
func (db *DB) Hardened() lsn.LSN { return db.marks.durableVersion().LSN }

// Published is the LSN of the version that new readers see: on a primary the last commit hardened here and by
// Options.Harden, on a replica the last Publish.
func (db *DB) Published() lsn.LSN { return db.marks.publishedVersion().LSN }

// Digest is the digest of the published version and its LSN.
func (db *DB) Digest() (lsn.LSN, Digest) {
	v := db.marks.publishedVersion()
	return v.LSN, v.Digest
}

// WaitHardened returns when the commit is durable here and by Options.Harden, hence visible to new readers. Only then
// may it be acknowledged. ErrRewound when the commit was taken back.
func (db *DB) WaitHardened(ctx context.Context, at lsn.LSN) error {
	return db.wrap("harden commit in", db.waitHardened(ctx, at))
}

func (db *DB) waitHardened(ctx context.Context, at lsn.LSN) error {
	m := &db.marks
	first, lost := int64(-1), false
	err := m.until(ctx, func() bool {
		if first < 0 {
			first, lost = m.rewinds, m.rewinds > 0 && m.appended.LSN.Less(at)
		}
		lost = lost || m.rewinds != first
		return lost || !m.durable.LSN.Less(at) && !m.published.LSN.Less(at)
	})
	if lost {
		return fmt.Errorf("%w, and with it the commit %s", ErrRewound, at)
	}
	return err
}

// WaitDurable returns when the commit is durable here, whatever others say. A replica acknowledges with it.
func (db *DB) WaitDurable(ctx context.Context, at lsn.LSN) error {
	m := &db.marks
	return db.wrap("harden log of", m.until(ctx, func() bool { return !m.durable.LSN.Less(at) }))
}

// WaitPublished returns when new readers see the version of at or a later one.
func (db *DB) WaitPublished(ctx context.Context, at lsn.LSN) error {
	m := &db.marks
	return db.wrap("wait for", m.until(ctx, func() bool { return !m.published.LSN.Less(at) }))
}

// SetEpoch gives all later records the epoch, which must not be less than the present one. It is durable with the next
// record.
func (db *DB) SetEpoch(ctx context.Context, epoch uint32) error {
	if err := db.act(ctx); err != nil {
		return db.wrap("set epoch of", err)
	}
	defer db.acted()
	return db.wrap("set epoch of", db.marks.setEpoch(epoch))
}

// flushLoop hardens what is appended: while one sync runs, commits gather for the next.
func (db *DB) flushLoop(ctx context.Context) {
	for {
		select {
		case <-db.marks.moved:
		case <-ctx.Done():
			return
		}
		if err := db.flushOnce(); err != nil {
			db.log.Error("log cannot be hardened; no commit is taken any more", "database", db.o.Name, "error", err)
		}
	}
}

// flushOnce hardens what is appended now. A failed sync is never tried again: what the disk holds is unknown.
func (db *DB) flushOnce() error {
	m := &db.marks
	m.mu.Lock()
	v, done, err, generation := m.appended, m.durable == m.appended, m.err, m.rewinds
	m.mu.Unlock()
	if done || err != nil {
		return err
	}
	if _, err := db.wal.flush(); err != nil {
		err = fmt.Errorf("%w: %w", ErrPoisoned, err)
		m.fail(err)
		return err
	}
	m.harden(v, db.alone(), generation)
	return nil
}

// alone reports whether what is durable here is published at once: this is a primary, and nobody else is waited for.
func (db *DB) alone() bool {
	return !db.replica.Load() && (db.o.Harden == nil || db.o.Waits != nil && !db.o.Waits())
}

// hardenLoop asks the synchronous replicas about what is durable here, and publishes it.
func (db *DB) hardenLoop(ctx context.Context) {
	m := &db.marks
	for {
		var v *logvfs.Version
		var generation int64
		err := m.until(ctx, func() bool {
			v, generation = m.durable, m.rewinds
			return !db.replica.Load() && m.published.LSN.Less(v.LSN)
		})
		if err == nil {
			err = db.o.Harden(ctx, v.LSN)
		}
		switch {
		case err == nil:
			m.publish(v, generation)
			continue
		case ctx.Err() != nil || db.Err() != nil:
			return
		}
		db.log.Warn("synchronous replicas did not harden", "database", db.o.Name, "lsn", v.LSN.String(), "error", err)
		c, stop := db.o.Clock.After(hardenRetry)
		select {
		case <-c:
		case <-ctx.Done():
		}
		stop()
	}
}
