package hadr_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/internal/clock"
	"linkspan/sqlerr"
	"linkspan/trust"
)

// linked makes a streaming link of database sales.
func linked(t *testing.T) (s, m *node) {
	t.Helper()
	s, m = source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	return s, m
}

// keepWriting inserts rows until stop is called, which tells how many were acknowledged.
func keepWriting(t *testing.T, n *node, name string) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := tryExec(ctx, n.db(name), "INSERT INTO t_1(v) VALUES('load')"); err == nil {
				acknowledged.Add(1)
			} else if ctx.Err() == nil {
				t.Errorf("a write failed: %v", err)
				return
			}
		}
	}()
	eventually(t, "some load", func() bool { return acknowledged.Load() > 20 })
	return func() int64 { cancel(); <-done; return acknowledged.Load() }
}

func show(t *testing.T, n *node, certificate string) []*sqlerr.Error {
	t.Helper()
	e, _ := n.Endpoint()
	said, err := n.AlterEndpoint(t.Context(), hadr.EndpointSpec{Name: e.Name, Auth: new(hadr.AuthCertificate), Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func (n *node) certificate(name string) hadr.CertificateInfo {
	for _, c := range n.Certificates() {
		if c.Name == name {
			return c
		}
	}
	return hadr.CertificateInfo{}
}

// Either side's certificate is rotated while the source is written to: the link rests on the new one before the old one is
// dropped, nothing is seeded anew, and after restarts the new one is still shown.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	for _, turn := range []struct {
		name            string
		mine, old, next string // on the side that rotates
		there           string // the name of the old one on the other side
		fresh           string // that of the new one there
		side            func(s, m *node) (n, other *node)
	}{
		{"source", "", "Cert_sqlserver1_endpoint", "next", "Cert_sqlserver1_endpoint", "next", func(s, m *node) (*node, *node) { return s, m }},
		{"managed instance", "", "Cert_sqlmi1_endpoint", "mi-next", targetFQDN, targetFQDN + "_2", func(s, m *node) (*node, *node) { return m, s }},
	} {
		t.Run(turn.name, func(t *testing.T) {
			t.Parallel()
			s, m := linked(t)
			stop := keepWriting(t, s, "sales")
			before, _ := m.Link("DAG_sales")
			n, other := turn.side(s, m)
			if _, err := n.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: turn.next, Subject: turn.next}); err != nil {
				t.Fatal(err)
			}
			if _, err := other.keeper.ImportCertificate(t.Context(), turn.fresh, n.keeper.ByName(turn.next).DER); err != nil {
				t.Fatal(err)
			}
			if said := show(t, n, turn.next); len(said) != 0 {
				t.Errorf("the rotation warns: %v", said)
			}
			eventually(t, "the link rests on the new certificate", func() bool {
				return n.certificate(turn.next).Connections == 1 && other.certificate(turn.fresh).Connections == 1 && inPhase(m, "DAG_sales", agcore.PhaseSynchronizing)()
			})
			if c := n.certificate(turn.old); c.Connections != 0 || c.Use != hadr.CertificateSpare {
				t.Errorf("the old certificate is still in use: %+v", c)
			}
			for _, d := range []struct {
				n    *node
				name string
			}{{n, turn.old}, {other, turn.there}} {
				if err := d.n.keeper.DropCertificate(t.Context(), d.name); err != nil {
					t.Fatal(err)
				}
			}
			rows := stop()
			if st, _ := m.Link("DAG_sales"); !st.Connected {
				t.Errorf("dropping the old certificate cut the link: %+v", st)
			}
			caughtUp(t, s, m, "sales")
			if got := m.count("sales"); got < int(rows) {
				t.Errorf("%d rows on the copy, %d were acknowledged", got, rows)
			}
			if after, _ := m.Link("DAG_sales"); after.SeedBytes != before.SeedBytes {
				t.Error("the copy was seeded anew")
			}
			n.restart()
			if e, _ := n.Endpoint(); e.Certificate != turn.next {
				t.Errorf("after a restart the endpoint shows %q", e.Certificate)
			}
		})
	}
}

// A certificate that the other side lacks does not cost the link: the connection stays on the old one, and ALTER ENDPOINT
// says so. After the import the statement is run again.
func TestRotationAheadOfTheImport(t *testing.T) {
	t.Parallel()
	s, m := linked(t)
	if _, err := s.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "next", Subject: "next"}); err != nil {
		t.Fatal(err)
	}
	said := show(t, s, "next")
	if len(said) != 1 || said[0].Number != 58004 || !strings.Contains(said[0].Message, "DAG_sales") {
		t.Fatalf("said %v, want 58004", said)
	}
	s.exec("sales", "INSERT INTO t_1(v) VALUES('meanwhile')")
	caughtUp(t, s, m, "sales")
	if st, _ := m.Link("DAG_sales"); !st.Connected || s.certificate("Cert_sqlserver1_endpoint").Connections != 1 {
		t.Fatalf("the link was cut: %+v", st)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "next", s.keeper.ByName("next").DER); err != nil {
		t.Fatal(err)
	}
	if said := show(t, s, "next"); len(said) != 0 {
		t.Errorf("said %v", said)
	}
	eventually(t, "the link rests on the new certificate", func() bool { return s.certificate("next").Connections == 1 })
	if err := s.keeper.DropCertificate(t.Context(), "Cert_sqlserver1_endpoint"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
}

// A rotation while the peers are apart leaves the link unbound; the warning says how it is bound: by replacing the
// certificate under its name.
func TestRotationWhileApart(t *testing.T) {
	t.Parallel()
	s, m := linked(t)
	m.stop()
	if _, err := s.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "next", Subject: "next"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the source notices", func() bool { st, _ := s.Link("DAG_sales"); return !st.Connected })
	said := show(t, s, "next")
	if len(said) != 1 || said[0].Number != 58005 {
		t.Fatalf("said %v, want 58005", said)
	}
	m.start()
	eventually(t, "refused", func() bool { st, _ := m.Link("DAG_sales"); return st.LastError.Number == 41973 })
	old, next := m.keeper.ByName("Cert_sqlserver1_endpoint").DER, s.keeper.ByName("next").DER
	m.Succeed(old, next)
	if err := m.keeper.DropCertificate(t.Context(), "Cert_sqlserver1_endpoint"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "Cert_sqlserver1_endpoint", next); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	if !slices.Equal(m.certificate("Cert_sqlserver1_endpoint").Links, []string{"DAG_sales"}) {
		t.Errorf("the view shows %+v", m.Certificates())
	}
}

// times counts the lines of the error log with a number and a text.
func (n *node) times(number int32, text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, e := range n.log {
		if e.Number == number && strings.Contains(e.Message, text) {
			count++
		}
	}
	return count
}

// The error log warns from 30 days before the end, once a day, of the endpoint's certificate and of partners', and names
// them; SQL Server's own messages follow when one has ended or not begun.
func TestExpiryWarnings(t *testing.T) {
	t.Parallel()
	hands := clock.NewManual(time.Now())
	s := source(t, func(o *hadr.Options) { o.Clock = hands })
	m := target(t)
	introduce(t, s, m, targetFQDN)
	hands.Set(time.Now())
	mine := s.certificate("Cert_sqlserver1_endpoint")
	if mine.State != hadr.CertificateValid || mine.DaysLeft != 364 || mine.Use != hadr.CertificateEndpoint {
		t.Fatalf("the certificate is %+v", mine)
	}
	at := func(moment time.Time, state hadr.CertificateState) {
		t.Helper()
		hands.Set(moment)
		if err := alter(t, s, hadr.EndpointSpec{Name: "database_mirroring_endpoint", State: new(hadr.EndpointStarted)}); err != nil { // has the watch look now
			t.Fatal(err)
		}
		if got := s.certificate(mine.Name).State; got != state {
			t.Errorf("at %v the state is %s, want %s", moment, got, state)
		}
	}
	logged := func(number int32, text string, times int) {
		t.Helper()
		eventually(t, text+" in the error log", func() bool { return s.times(number, text) >= times })
		if got := s.times(number, text); got != times {
			t.Errorf("%d lines %d with %q, want %d", got, number, text, times)
		}
	}
	at(mine.End.Add(-31*24*time.Hour), hadr.CertificateValid)
	at(mine.End.Add(-30*24*time.Hour), hadr.CertificateExpiring)
	logged(58001, mine.Name, 1)
	at(mine.End.Add(-30*24*time.Hour+12*time.Hour), hadr.CertificateExpiring)
	at(mine.End.Add(-29*24*time.Hour), hadr.CertificateExpiring)
	logged(58001, mine.Name, 2)
	if !s.logs("in 29 days") {
		t.Error("the line does not count the days")
	}
	at(mine.End, hadr.CertificateExpired)
	logged(58002, mine.Name, 1)
	logged(28023, "has expired", 1)
	at(mine.Start.Add(-2*24*time.Hour), hadr.CertificateNotYetValid) // a clock that was set back
	logged(58003, mine.Name, 1)
	logged(28022, "not yet valid", 1)
	logged(28024, "not yet valid", 1)
	at(mine.End.AddDate(5, 0, 0), hadr.CertificateExpired)
	logged(58002, targetFQDN, 1)
	logged(28025, "has expired", 1)
}

// A clock that jumps a year ends the link with the reason, and the link comes back when the clock does.
func TestClockOfAYearAhead(t *testing.T) {
	t.Parallel()
	hands := &skewed{}
	s := source(t, func(o *hadr.Options) { o.Clock = hands })
	m := target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
	hands.offset.Store(int64(400 * 24 * time.Hour))
	if _, err := s.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "wake", Subject: "wake"}); err != nil { // a look before the minute is over
		t.Fatal(err)
	}
	eventually(t, "cut", func() bool {
		st, _ := s.Link("DAG_sales")
		return !st.Connected && st.LastError.Number == 28023 && s.times(58002, "Cert_sqlserver1_endpoint") == 1
	})
	hands.offset.Store(0)
	eventually(t, "streaming again", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
}

// skewed is the machine's clock with an offset.
type skewed struct{ offset atomic.Int64 }

func (s *skewed) Now() time.Time { return clock.System.Now().Add(time.Duration(s.offset.Load())) }

func (s *skewed) After(d time.Duration) (<-chan time.Time, func()) { return clock.System.After(d) }
