package tdsserver_test

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// A cancelled context becomes an attention: the request's context ends with that cause, and the connection lives on.
func TestCancelBecomesAttention(t *testing.T) {
	t.Parallel()
	started, causes := make(chan struct{}, 1), make(chan error, 1)
	b := &backend{batches: map[string]script{
		"wait for ever": func(ctx context.Context, _ *session, out sqlapi.ResultSink) error {
			started <- struct{}{}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return context.Cause(ctx)
		},
		"rows for ever": func(ctx context.Context, _ *session, out sqlapi.ResultSink) error {
			if err := out.Columns([]sqlapi.Column{intColumn("n")}); err != nil {
				return err
			}
			started <- struct{}{}
			for n := int64(0); ; n++ {
				if err := out.Row([]sqltype.Value{sqltype.IntOf(sqltype.Int, n)}); err != nil {
					causes <- err
					return err
				}
			}
		},
	}}
	s := start(t, b)
	db := s.db(t, "encrypt=true")
	db.SetMaxOpenConns(1)
	for _, batch := range []string{"wait for ever", "rows for ever", "wait for ever"} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-started
			cancel()
		}()
		rows, err := db.QueryContext(ctx, batch)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			_ = rows.Close()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the client got %v", batch, err)
		}
		if cause := <-causes; !errors.Is(cause, sqlapi.ErrAttention) {
			t.Errorf("%s: the session was ended by %v", batch, cause)
		}
		cancel()
	}
	var n int
	if err := db.QueryRow("select 1").Scan(&n); err != nil {
		t.Error(err)
	}
	if n := b.nextID.Load(); n != 1 {
		t.Errorf("%d logins: a connection was given up", n)
	}
}

// The attention may come before, while or after the answer is sent; each gets exactly one acknowledgement, or the next
// request would read a stale one.
func TestAttentionRaces(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{})
	db := s.db(t, "encrypt=true")
	db.SetMaxOpenConns(1)
	if err := db.Ping(); err != nil { // so that no login is cancelled
		t.Fatal(err)
	}
	cancelled := 0
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(i%200)*time.Microsecond, cancel)
		var n int
		err := db.QueryRowContext(ctx, "select 1").Scan(&n)
		timer.Stop()
		cancel()
		if err != nil {
			cancelled++
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := db.QueryRow("select 1").Scan(&n); err != nil || n != 1 {
			t.Fatalf("round %d: the next request got %d, %v", i, n, err)
		}
	}
	if cancelled == 0 || s.b.nextID.Load() > 1 {
		t.Errorf("%d of 2000 cancelled, %d logins: nothing was shown, or connections were lost", cancelled, s.b.nextID.Load())
	}
}

// The answer to what was interrupted ends as a message, and the acknowledgement is the next one: tedious and others
// read them so. An attention between two requests is acknowledged alone.
func TestAttentionIsAcknowledgedInItsOwnMessage(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	s := start(t, &backend{batches: map[string]script{"wait for ever": func(ctx context.Context, _ *session, out sqlapi.ResultSink) error {
		err := out.Done(sqlapi.Done{Command: sqlapi.CmdInsert, Rows: 1, HasRows: true})
		close(started)
		<-ctx.Done()
		return errors.Join(err, context.Cause(ctx))
	}}})
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("wait for ever"))
	<-started
	c.send(t, 6, nil)
	if got := hex.EncodeToString(c.receive(t)); got != "fd1100c3000100000000000000"+"fd020000000000000000000000" {
		t.Errorf("the interrupted request was answered by %s", got)
	}
	if got := hex.EncodeToString(c.receive(t)); got != "fd200000000000000000000000" {
		t.Errorf("the attention was answered by %s", got)
	}
	c.send(t, 1, batch("select 1"))
	if _, status := done(t, c.receive(t)); status != 0x10 {
		t.Errorf("the next request ends with status %x", status)
	}
}

// A client that goes away ends what it asked for.
func TestClientGoneEndsRequest(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan error, 1)
	b := &backend{batches: map[string]script{"wait for ever": func(ctx context.Context, _ *session, _ sqlapi.ResultSink) error {
		close(started)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	}}}
	s := start(t, b)
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("wait for ever"))
	<-started
	_ = c.nc.Close()
	if err := <-ended; errors.Is(err, sqlapi.ErrAttention) {
		t.Errorf("ended by %v", err)
	}
	eventually(t, "the session to end", func() bool { return b.open.Load() == 0 && s.Sessions() == 0 })
}

func TestStopEndsRequestsAndWaits(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), false
	b := &backend{batches: map[string]script{"wait for ever": func(ctx context.Context, _ *session, _ sqlapi.ResultSink) error {
		close(started)
		<-ctx.Done()
		ended = true
		return context.Cause(ctx)
	}}}
	s := start(t, b)
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("wait for ever"))
	<-started
	s.Stop()
	s.Stop()
	if !ended || b.open.Load() != 0 {
		t.Error("Stop did not wait for the session")
	}
}
