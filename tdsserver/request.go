package tdsserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tds"
)

var noDeadline time.Time

// request is what the reader hands over.
type request struct {
	// ctx lives as long as the request and is cancelled with sqlapi.ErrAttention.
	ctx context.Context
	msg tds.Message
	// attention is one that came when nothing ran.
	attention bool
	// err is why the stream cannot be read further.
	err error
}

// turn says whose turn it is: a request runs from the moment the reader has it whole until its answer's last token is
// decided. An attention inside that time cancels it; one outside is answered for itself. So each gets one answer.
type turn struct {
	idle chan struct{} // gets one element when a request ends

	mu      sync.Mutex
	running bool
	cancel  context.CancelCauseFunc
	// attention is also read without mu, by rows.
	attention atomic.Bool
}

// begin marks a request as running.
func (t *turn) begin(cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running, t.cancel = true, cancel
}

// interrupt cancels what runs, and reports whether anything did.
func (t *turn) interrupt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		t.attention.Store(true)
		t.cancel(sqlapi.ErrAttention)
	}
	return t.running
}

// end marks the request as ended, and reports whether it was interrupted.
func (t *turn) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.running {
		return false
	}
	t.running = false
	t.cancel(nil)
	t.idle <- struct{}{}
	return t.attention.Swap(false)
}

// keepBuffer is the largest buffer that a connection keeps from one message to the next: idle connections are many.
const keepBuffer = 16 << 10

// read reads messages until the stream ends. It closes in.
func (c *conn) read(ctx context.Context, cancel context.CancelCauseFunc, in chan<- request) {
	defer close(in)
	defer cancel(errClientGone)
	// A request is handed over only after the one before has ended, so two buffers in turn are enough.
	var buffer, other []byte
	busy := false
	for {
		m, err := c.rd.Next(c.s.opts.MaxRequest, buffer)
		if buffer = m.Payload; cap(buffer) > keepBuffer {
			buffer = nil
		}
		if err == nil && m.Type == tds.PacketAttention {
			if !c.turn.interrupt() && !hand(ctx, in, request{attention: true}) {
				return
			}
			continue
		}
		if err != nil && !errors.Is(err, tds.ErrMalformed) && !errors.Is(err, tds.ErrTooLarge) {
			return
		}
		if busy { // a client that does not wait for its answer waits here
			select {
			case <-c.turn.idle:
			case <-ctx.Done():
				return
			}
		}
		busy = true
		rctx, rcancel := context.WithCancelCause(ctx)
		c.turn.begin(rcancel)
		if !hand(ctx, in, request{ctx: rctx, msg: m, err: err}) {
			rcancel(errClientGone)
			return
		}
		buffer, other = other, buffer
		if err != nil { // the connection ends once the client was told
			<-ctx.Done()
			return
		}
	}
}

func hand(ctx context.Context, in chan<- request, r request) bool {
	select {
	case in <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// handle runs one request and answers it. An error ends the connection.
func (c *conn) handle(r request) error {
	c.sink.begin(nil)
	c.wr.Begin(tds.PacketReply)
	switch {
	case r.attention:
		return c.attentionDone()
	case r.err != nil:
		return c.broken(r.err)
	case r.msg.Status&tds.StatusIgnore != 0: // cancelled before it was complete: [MS-TDS] 2.2.1.7
		c.sink.failed = true
		return c.sink.finish(nil)
	}
	err := c.reset(r)
	if err == nil {
		err = c.run(r)
	}
	return c.sink.finish(err)
}

// attentionDone acknowledges an attention.
func (c *conn) attentionDone() error {
	return c.send(tds.AppendDone(nil, tds.Done, tds.DoneAttention|c.sink.inTxBit(), 0, 0))
}

// broken tells the client why its stream is not read further.
func (c *conn) broken(err error) error {
	e := sqlerr.New(17836)
	if errors.Is(err, tds.ErrTooLarge) {
		e = sqlerr.New(4004, c.s.opts.MaxRequest)
	}
	return c.sink.finish(e.WithCause(err))
}

// reset makes the session as new when the client's connection pool asks for it.
func (c *conn) reset(r request) error {
	if r.msg.Status&(tds.StatusReset|tds.StatusResetKeepTx) == 0 {
		return nil
	}
	keepTx := r.msg.Status&tds.StatusResetKeepTx != 0
	if err := c.session.Reset(r.ctx, keepTx, &c.sink); err != nil {
		return err
	}
	if !keepTx {
		c.sink.inTx = false
	}
	c.sink.failed = false
	return c.sink.Env(sqlapi.EnvChange{Kind: sqlapi.EnvResetDone})
}

// run decodes the request and gives it to the session. Bytes that make no sense inside a message that was framed well
// are the request's failure and not the connection's.
func (c *conn) run(r request) error {
	switch r.msg.Type {
	case tds.PacketBatch:
		_, text, err := tds.DecodeBatch(r.msg.Payload)
		if err != nil {
			return c.sink.Message(undecodable(err))
		}
		return c.session.Batch(r.ctx, text, &c.sink)
	case tds.PacketRPC:
		_, calls, err := tds.DecodeRPC(r.msg.Payload)
		if err != nil {
			return c.sink.Message(undecodable(err))
		}
		return c.calls(r.ctx, calls)
	case tds.PacketTransaction:
		q, err := tds.DecodeTx(r.msg.Payload)
		if err != nil {
			return c.sink.Message(undecodable(err))
		}
		return c.transaction(r.ctx, q)
	case tds.PacketBulkLoad:
		return c.sink.Message(sqlerr.New(40510, "INSERT BULK"))
	}
	return sqlerr.New(17836).WithCause(fmt.Errorf("a message of type %d in a session", r.msg.Type))
}

// undecodable is the answer to a request that could not be decoded.
func undecodable(err error) *sqlerr.Error {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return e
	}
	return sqlerr.New(4002).WithCause(err)
}

// calls runs the calls of one RPC message in turn.
func (c *conn) calls(ctx context.Context, calls []tds.Call) error {
	for i := range calls {
		call := &calls[i]
		in := sqlapi.Call{ID: sqlapi.ProcID(call.ProcID), Name: call.Name, NoMetadata: call.NoMetadata, Params: make([]sqlapi.Param, len(call.Params))}
		for j, p := range call.Params {
			in.Params[j] = sqlapi.Param{Name: p.Name, Type: p.Type, Value: p.Value, Output: p.Output, Default: p.Default}
		}
		c.sink.begin(call)
		if err := c.session.Call(ctx, in, &c.sink); err != nil {
			return err
		}
		if err := c.sink.endCall(); err != nil {
			return err
		}
	}
	return nil
}

// txKinds maps the requests served.
var txKinds = map[tds.TxType]sqlapi.TxKind{
	tds.TxBegin: sqlapi.TxBegin, tds.TxCommit: sqlapi.TxCommit, tds.TxRollback: sqlapi.TxRollback, tds.TxSave: sqlapi.TxSave,
}

func (c *conn) transaction(ctx context.Context, q tds.TxRequest) error {
	kind, ok := txKinds[q.Type]
	if !ok {
		return c.sink.Message(sqlerr.New(8501, c.s.opts.ServerName))
	}
	return c.session.Transaction(ctx, sqlapi.TxRequest{
		Kind: kind, Name: q.Name, Isolation: q.Isolation, BeginNext: q.BeginNext, NextName: q.NextName, NextIsolation: q.NextIsolation,
	}, &c.sink)
}
