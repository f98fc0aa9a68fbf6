package tdsserver_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"linkspan/internal/clock"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tdsserver"
)

// endless writes rows until the sink refuses one.
func endless(ended chan<- error) script {
	return func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		row := []sqltype.Value{sqltype.NVarCharOf(strings.Repeat("x", 4000))}
		err := out.Columns([]sqlapi.Column{{Name: "x", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}}})
		for err == nil {
			err = out.Row(row)
		}
		ended <- err
		return err
	}
}

// A client that does not read is cut after the write timeout.
func TestUnreadAnswerIsCut(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	s := start(t, &backend{batches: map[string]script{"rows for ever": endless(ended)}}, func(o *tdsserver.Options) { o.WriteTimeout = 50 * time.Millisecond })
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("rows for ever"))
	if err := <-ended; err == nil {
		t.Error("it ended without an error")
	}
	eventually(t, "the session to end", func() bool { return s.Sessions() == 0 })
}

// Stop does not wait for a client that does not read.
func TestStopCutsUnreadAnswer(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	s := start(t, &backend{batches: map[string]script{"rows for ever": endless(ended)}})
	c := dial(t, s)
	c.login(t, "sa", "Pa$$w0rd")
	c.send(t, 1, batch("rows for ever"))
	c.receiveSome(t)
	done := make(chan struct{})
	go func() { s.Stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Stop hangs")
	}
	<-ended
}

// receiveSome reads the first bytes of an answer.
func (c *client) receiveSome(t *testing.T) {
	t.Helper()
	if _, err := c.rw.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
}

// Connections that say nothing are cut after the login timeout, those that stop half way too.
func TestSilentConnectionsAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, &backend{}, func(o *tdsserver.Options) { o.LoginTimeout = 100 * time.Millisecond })
	silent := dialPlain(t, s)
	half := dialPlain(t, s)
	half.send(t, 18, prelogin(1))
	half.receive(t)
	dripping := dial(t, s)
	dripping.send(t, 18, prelogin(2))
	dripping.receive(t)
	if _, err := dripping.rw.Write([]byte{16, 0, 1, 0, 0, 0, 1, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{silent, half, dripping} {
		c.closed(t)
	}
}

// With every place for logins taken by connections that say nothing, an honest client still gets in.
func TestSilentConnectionsDoNotShutOthersOut(t *testing.T) {
	t.Parallel()
	now := clock.NewManual(time.Now())
	s := start(t, &backend{}, func(o *tdsserver.Options) { o.MaxLogins, o.LoginTimeout, o.Clock = 4, time.Hour, now })
	var silent []*client
	for range 4 {
		silent = append(silent, dialPlain(t, s))
	}
	// Each has been accepted once the server answers it.
	for _, c := range silent {
		c.send(t, 18, prelogin(1))
		c.receive(t)
	}
	got := make(chan error, 1)
	go func() {
		nc, err := net.Dial("tcp", s.addr.String())
		if err == nil {
			defer nc.Close()
			err = tls.Client(nc, &tls.Config{RootCAs: s.ca.pool, ServerName: "localhost", NextProtos: []string{"tds/8.0"}}).Handshake()
		}
		got <- err
	}()
	eventually(t, "the honest client", func() bool {
		now.Advance(300 * time.Millisecond) // the oldest loses its place after a second
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
			return true
		default:
			return false
		}
	})
	silent[0].closed(t)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]tdsserver.Options{
		"an address or a listener is needed": {},
		"a backend is needed":                {},
		"there is no certificate":            {},
		"has no certificate":                 {TLS: &tls.Config{}},
		"MaxLogins is negative":              {MaxLogins: -1},
	} {
		if _, err := tdsserver.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	s := start(t, &backend{})
	o := tdsserver.Options{Addresses: []string{"127.0.0.1:0", s.addr.String()}, Encryption: tdsserver.Optional, Backend: s.b}
	second, err := tdsserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), s.addr.String()) {
		t.Errorf("a port in use: %v", err)
	}
	second.Stop()
	s.Stop()
	if second, err = tdsserver.New(o); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Errorf("the same after the port is free: %v", err)
	}
	second.Stop()
}
