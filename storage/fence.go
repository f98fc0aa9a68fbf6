package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
)

// ErrFenced: the primary takes no writers until a control record, or CheckFence, lets them in again.
var ErrFenced = errors.New("database is fenced")

// fence keeps the writers out of a primary by keeping the turn, and orders those who change what the database is: role,
// epoch, fence.
type fence struct {
	// acting holds a token while nobody changes what the database is. It is taken before the turn.
	acting chan struct{}

	mu sync.Mutex // protects the rest
	// answer is what Options.Fenced said last; on tells that the turn is kept because of it.
	answer, on bool
	refuse     error
	// refused is closed while on and refuse say that nobody is to wait.
	refused chan struct{}
}

func (f *fence) init() {
	f.acting = make(chan struct{}, 1)
	f.acting <- struct{}{}
	f.refused = make(chan struct{})
}

// set begins or ends the fence. The caller has the turn.
func (f *fence) set(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = on
	if !on {
		f.refuse = nil
	}
	f.settle()
}

// settle makes the channel tell the truth. It needs mu.
func (f *fence) settle() {
	closed, want := false, f.on && f.refuse != nil
	select {
	case <-f.refused:
		closed = true
	default:
	}
	switch {
	case want && !closed:
		close(f.refused)
	case !want && closed:
		f.refused = make(chan struct{})
	}
}

func (f *fence) isOn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on
}

// refusal returns what those who wait for the turn are told, or nil and the channel that says when.
func (f *fence) refusal() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on && f.refuse != nil {
		return f.refused, f.refuse
	}
	return f.refused, nil
}

// takeTurn waits for the turn to append.
func (db *DB) takeTurn(ctx context.Context) error {
	if err := db.Err(); err != nil {
		return err
	}
	if db.marks.closing.Load() {
		return ErrClosed
	}
	if err := db.awaitTurn(ctx); err != nil {
		return err
	}
	if err := db.Err(); err != nil || db.marks.closing.Load() {
		db.giveTurn()
		return errors.Join(err, ErrClosed)
	}
	return nil
}

func (db *DB) awaitTurn(ctx context.Context) error {
	select {
	case <-db.turn:
		return nil
	default:
	}
	db.waiting.Add(1)
	defer db.waiting.Add(-1)
	for {
		refused, err := db.fence.refusal()
		if err != nil {
			return err
		}
		select {
		case <-db.turn:
			return nil
		case <-refused:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-db.group.Context().Done():
			return ErrClosed
		}
	}
}

func (db *DB) giveTurn() { db.turn <- struct{}{} }

// act waits until nobody else changes what the database is, and for the turn unless the fence keeps it. The caller ends
// with acted.
func (db *DB) act(ctx context.Context) error {
	select {
	case <-db.fence.acting:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-db.group.Context().Done():
		return ErrClosed
	}
	err := db.Err()
	switch {
	case err != nil:
	case db.marks.closing.Load():
		err = ErrClosed
	case !db.fence.isOn():
		err = db.takeTurn(ctx)
	}
	if err != nil {
		db.fence.acting <- struct{}{}
	}
	return err
}

// acted gives back what act took, but for the turn when the fence keeps it.
func (db *DB) acted() {
	if !db.fence.isOn() {
		db.giveTurn()
	}
	db.fence.acting <- struct{}{}
}

// askFence asks Options.Fenced about the control records there are.
func (db *DB) askFence() bool {
	if db.o.Fenced == nil {
		return false
	}
	answer := db.o.Fenced(db.Controls()) && !sabotage.NoFence
	db.fence.mu.Lock()
	defer db.fence.mu.Unlock()
	db.fence.answer = answer
	return answer
}

// Fence closes a primary to writers: it waits for the turn, appends the control record, which MUST make Options.Fenced
// true, keeps the turn, and returns when the record is durable here. Readers and checkpoints go on. Writers wait, or are
// told what Refuse says, until AppendControl, CheckFence or Demote ends the fence; so does a restart's Open. ErrFenced when
// the database is fenced already.
func (db *DB) Fence(ctx context.Context, kind uint16, payload []byte) (lsn.LSN, error) {
	if err := db.act(ctx); err != nil {
		return lsn.Zero, db.wrap("fence", err)
	}
	defer db.acted()
	switch {
	case db.replica.Load():
		return lsn.Zero, db.wrap("fence", ErrReplica)
	case db.fence.isOn():
		return lsn.Zero, db.wrap("fence", ErrFenced)
	}
	at, err := db.control(kind, payload)
	if err == nil && !db.fence.isOn() {
		err = fmt.Errorf("control record %s of kind %d does not fence the database", at, kind)
	}
	if err == nil {
		err = db.flushOnce()
	}
	return at, db.wrap("fence", err)
}

// AppendControl appends a control record between transactions, waiting for the turn, and returns its LSN; wait for it
// to be hardened as for a commit. Payload is at most 4 KiB, and of at most 8 kinds the latest is kept for ever. On a
// fenced primary it needs no turn, and when Options.Fenced is false after it, writers are let in as soon as the record is
// durable here, which it is on return.
func (db *DB) AppendControl(ctx context.Context, kind uint16, payload []byte) (lsn.LSN, error) {
	if err := db.act(ctx); err != nil {
		return lsn.Zero, db.wrap("append control record to", err)
	}
	defer db.acted()
	if db.replica.Load() {
		return lsn.Zero, db.wrap("append control record to", ErrReplica)
	}
	at, err := db.control(kind, payload)
	return at, db.wrap("append control record to", err)
}

// control appends the record and begins or ends the fence as it demands.
func (db *DB) control(kind uint16, payload []byte) (lsn.LSN, error) {
	at, err := db.appendControl(kind, payload)
	if err != nil {
		return lsn.Zero, err
	}
	fenced := db.askFence()
	if db.fence.isOn() && !fenced {
		if err := db.flushOnce(); err != nil { // nobody writes in a role that a crash could take back
			return at, err
		}
	}
	db.fence.set(fenced)
	return at, nil
}

// CheckFence asks Options.Fenced anew, and takes the turn for good or lets writers in. It waits for the running
// transaction. On a replica it only remembers the answer.
func (db *DB) CheckFence(ctx context.Context) error {
	if err := db.act(ctx); err != nil {
		return db.wrap("fence", err)
	}
	defer db.acted()
	fenced := db.askFence()
	db.fence.set(fenced && !db.replica.Load())
	return nil
}

// IsFenced reports whether a primary takes no writers because Options.Fenced said so; of a replica, whether it would
// take none were it promoted now.
func (db *DB) IsFenced() bool {
	db.fence.mu.Lock()
	defer db.fence.mu.Unlock()
	if db.replica.Load() {
		return db.fence.answer
	}
	return db.fence.on
}

// Refuse has the writers that wait for a fence, and those who come while it lasts, fail with err at once; nil: they wait,
// as they do after Open. The end of a fence is the end of its refusal.
func (db *DB) Refuse(err error) {
	db.fence.mu.Lock()
	defer db.fence.mu.Unlock()
	db.fence.refuse = err
	db.fence.settle()
}
