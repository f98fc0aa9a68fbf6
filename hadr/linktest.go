package hadr

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/pagelog"
	"linkspan/sqlerr"
)

// The stages of a link's test, in order.
const (
	StageEndpoint    = "ENDPOINT"    // this side's endpoint and its certificate
	StageResolve     = "RESOLVE"     // the name in the URL
	StageConnect     = "CONNECT"     // TCP
	StageTLS         = "TLS"         // the handshake
	StageCertificate = "CERTIFICATE" // each side's judgement on the other's certificate
	StageProtocol    = "PROTOCOL"    // a message and its answer
	StageLink        = "LINK"        // what the other side would say to this link
	StageClock       = "CLOCK"       // the difference of the clocks
)

// maxSkew is the difference of clocks that is still called none.
const maxSkew = time.Minute

// LinkStage is how one stage of a link's test ended. Stages after one that failed are not listed.
type LinkStage struct {
	Stage string
	OK    bool
	// Number is SQL Server's for the failure, 0 when there is none.
	Number  int32
	Detail  string
	Elapsed time.Duration
}

// LinkTest says what to test: a link of this instance by name, or, before there is one, a URL (TCP://host:port).
type LinkTest struct{ Link, URL string }

// TestLink makes this instance connect to the other side of a link as it would for the link, over a connection of its own,
// and ask what would become of it. It changes nothing there, and a live link goes on. Errors: 15151 no such link, 19499 bad
// URL; what is wrong with the connection is in the stages.
func (m *Manager) TestLink(ctx context.Context, what LinkTest) ([]LinkStage, error) {
	t := &linkTest{m: m, began: m.now(), hello: &hadrwire.Hello{Protocol: hadrwire.Version, LogFormat: pagelog.Version, CollationTable: m.opts.CollationTable,
		Collation: m.opts.Collation, Server: m.opts.ServerName, ShortName: m.opts.ShortName}}
	address := what.URL
	if what.Link != "" {
		g := m.group(what.Link)
		if g == nil || !g.Distributed {
			return nil, sqlerr.New(15151, "find", "availability group", what.Link)
		}
		t.g, t.hello.Link, t.hello.OwnGroup, t.hello.PartnerGroup = g, g.Name, g.Member(true).Name, g.Member(false).Name
		if len(g.Databases) > 0 {
			t.hello.Database = g.Databases[0].Name
		}
		if address = g.Member(false).URL; g.Link != nil && g.Link.Endpoint != "" {
			address = g.Link.Endpoint
		}
	}
	u, ok := agcore.ParseURL(address)
	if !ok {
		return nil, sqlerr.New(19499, address)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*helloTimeout)
	defer cancel()
	t.run(ctx, u)
	return t.stages, nil
}

// linkTest is a test under way.
type linkTest struct {
	m      *Manager
	g      *agcore.Group // nil for a bare URL
	hello  *hadrwire.Hello
	began  time.Time
	stages []LinkStage
}

// passed and failed end a stage.
func (t *linkTest) passed(stage, format string, args ...any) {
	now := t.m.now()
	t.stages = append(t.stages, LinkStage{Stage: stage, OK: true, Detail: fmt.Sprintf(format, args...), Elapsed: now.Sub(t.began)})
	t.began = now
}

func (t *linkTest) failed(stage string, err error) {
	s := LinkStage{Stage: stage, Detail: err.Error(), Elapsed: t.m.now().Sub(t.began)}
	var e *sqlerr.Error
	if errors.As(err, &e) {
		s.Number, s.Detail = e.Number, e.Message
	}
	t.stages = append(t.stages, s)
}

func (t *linkTest) run(ctx context.Context, u agcore.URL) {
	id, err := t.m.identity()
	if err == nil {
		err = endpoint.CheckDates(t.m.now(), id)
	}
	if err != nil {
		t.failed(StageEndpoint, err)
		return
	}
	e, _ := t.m.Endpoint()
	t.passed(StageEndpoint, "endpoint %s at port %d shows certificate %s, thumbprint %s", e.Name, e.Port, e.Certificate, thumbprint(id.DER))
	ips, err := t.m.resolve(ctx, u.Host)
	if err != nil {
		t.failed(StageResolve, fmt.Errorf("resolve %q: %w", u.Host, err))
		return
	}
	t.passed(StageResolve, "%s is %s", u.Host, joinAddresses(ips))
	s := t.connect(ctx, ips, u.Port)
	if s == nil {
		return
	}
	defer s.Close(nil)
	t.ask(ctx, s)
}

func joinAddresses(ips []netip.Addr) string {
	var all []string
	for _, ip := range ips {
		all = append(all, ip.String())
	}
	return strings.Join(all, ", ")
}

// connect goes as far as the certificates; nil when it does not get there.
func (t *linkTest) connect(ctx context.Context, ips []netip.Addr, port uint16) *endpoint.Session {
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip, port))
	}
	s, err := t.m.ep.Dial(ctx, addrs, t.allow)
	if stage := dialStage(err); err != nil {
		for _, before := range []string{StageConnect, StageTLS} {
			if before == stage {
				break
			}
			t.passed(before, "%v", addrs)
		}
		t.failed(stage, t.explain(stage, err))
		return nil
	}
	p := s.Peer()
	t.passed(StageConnect, "%s", p.Addr)
	t.passed(StageTLS, "TLS 1.3")
	t.passed(StageCertificate, "the other side shows certificate %s, thumbprint %s, valid until %s", p.Name, thumbprint(p.Certificate.Raw), p.Certificate.NotAfter.UTC().Format(time.DateOnly))
	return s
}

// dialStage is the stage at which a dial failed.
func dialStage(err error) string {
	var op *net.OpError
	var r *endpoint.Refusal
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return StageTLS
	case errors.As(err, &r):
		return StageCertificate
	case errors.As(err, &op) && op.Op == "dial":
		return StageConnect
	default:
		return StageTLS
	}
}

// explain adds to an error what it means at its stage.
func (t *linkTest) explain(stage string, err error) error {
	var r *endpoint.Refusal
	switch {
	case stage == StageTLS:
		return fmt.Errorf("what answers there does not speak TLS 1.3 as a mirroring endpoint does: %w", cause(err))
	case errors.As(err, &r) && (r.Remote || r.Unknown):
		if r.Remote == t.m.opts.Managed { // a managed instance that was refused, or a SQL Server that refused
			return sqlerr.New(41974)
		}
		return sqlerr.New(41973)
	case errors.As(err, &r):
		return r.Err
	}
	return err
}

// cause is the reason under a numbered message, or the error itself.
func cause(err error) error {
	var e *sqlerr.Error
	if errors.As(err, &e) && e.Cause != nil {
		return e.Cause
	}
	return err
}

// allow holds the peer's certificate to the link.
func (t *linkTest) allow(p endpoint.Peer) error {
	if t.g == nil || t.m.bound(t.g, p) {
		return nil
	}
	if t.g.Link != nil && len(t.g.Link.Bound) == 0 && t.g.Link.Endpoint != "" {
		return nil // nobody is bound yet: the first one will be
	}
	return sqlerr.New(28035, fmt.Sprintf("The certificate '%s' is not bound to link '%s'", p.Name, t.g.Name), 94)
}

// ask sends the probe and judges the answer.
func (t *linkTest) ask(ctx context.Context, s *endpoint.Session) {
	answer, took, err := t.exchange(ctx, s)
	if err != nil {
		t.failed(StageProtocol, fmt.Errorf("the other side accepted the connection and did not answer a probe: %w", err))
		return
	}
	t.passed(StageProtocol, "%s answered in %s", answer.Server, took.Round(time.Microsecond))
	switch {
	case t.g == nil:
	case answer.Number != 0:
		t.failed(StageLink, &sqlerr.Error{Number: answer.Number, Severity: 16, State: 1, Message: answer.Text})
	default:
		t.passed(StageLink, "%s would accept link %s", answer.Server, t.g.Name)
	}
	skew := answer.Now.Sub(t.m.now().Add(-took / 2))
	if skew.Abs() > maxSkew {
		t.failed(StageClock, fmt.Errorf("the clock of %s is %s %s", answer.Server, skew.Abs().Round(time.Second), ahead(skew)))
		return
	}
	t.passed(StageClock, "the clocks differ by %s", skew.Abs().Round(time.Millisecond))
}

func ahead(d time.Duration) string {
	if d < 0 {
		return "behind this one"
	}
	return "ahead of this one"
}

func (t *linkTest) exchange(ctx context.Context, s *endpoint.Session) (*hadrwire.Probed, time.Duration, error) {
	stream, err := s.Open()
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = stream.Close() }() // what was asked was answered, or never will be
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	sent := t.m.now()
	if err := hadrwire.Write(stream, &hadrwire.Probe{Hello: *t.hello}); err != nil {
		return nil, 0, err
	}
	msg, err := hadrwire.NewReader(bufio.NewReader(stream)).Next()
	if err != nil {
		return nil, 0, err
	}
	answer, ok := msg.(*hadrwire.Probed)
	if !ok {
		return nil, 0, fmt.Errorf("the answer has type %d", msg.Type())
	}
	return answer, t.m.now().Sub(sent), nil
}

// answerProbe tells a peer what would become of its hello. It notes nothing: asking is free.
func (m *Manager) answerProbe(stream io.ReadWriteCloser, p endpoint.Peer, h *hadrwire.Hello) {
	a := &hadrwire.Probed{Server: m.opts.ServerName, Now: m.now()}
	if r := m.judge(h, p); r != nil {
		a.Number, a.Text = r.Number, r.Text
	}
	if err := hadrwire.Write(stream, a); err == nil {
		_, _ = io.Copy(io.Discard, stream) // the asker closes when it has the answer
	}
	_ = stream.Close()
}

// judge is what this side would say to a hello, whichever side of the link it is.
func (m *Manager) judge(h *hadrwire.Hello, p endpoint.Peer) *hadrwire.Refuse {
	if h.Protocol != hadrwire.Version {
		return m.mismatch(h, fmt.Sprintf("protocol version %d here, %d there", hadrwire.Version, h.Protocol))
	}
	if what := m.differs(h); what != "" {
		return m.mismatch(h, what)
	}
	g := m.group(h.Link)
	if g == nil || !g.Distributed || !strings.EqualFold(g.Member(true).Name, h.PartnerGroup) || !strings.EqualFold(g.Member(false).Name, h.OwnGroup) {
		return refuse(41976, true, h.PartnerGroup, m.opts.ServerName)
	}
	if !m.bound(g, p) {
		return refuse(41974, true)
	}
	if u := g.RemoteURL(); !m.opts.Managed && h.ShortName != h.Server && !strings.EqualFold(u.Server, h.ShortName) {
		return refuse(41976, true, h.PartnerGroup, m.opts.ServerName)
	}
	if !slices.ContainsFunc(g.Databases, func(d agcore.Database) bool { return strings.EqualFold(d.Name, h.Database) }) && len(g.Databases) > 0 {
		return refuse(41977, true, h.PartnerGroup, m.opts.ServerName)
	}
	return nil
}
