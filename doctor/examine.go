package doctor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"crypto/sha1" //nolint:gosec // thumbprints are SHA-1 by definition

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/link/flow"
)

// Request is what to examine. The spec was validated.
type Request struct {
	Spec    link.Spec
	Secrets link.Secrets
	// FS reads the files that the spec names.
	FS fsx.FS
	// Clock is this machine's; nil means the system's.
	Clock clock.Clock
}

// facts are everything that was gathered.
type facts struct {
	spec           link.Spec
	links          []flow.Spec
	source, target server
	arm            management
	// ports that were tried from this machine, by what they are for.
	sourceSQL, targetSQL, armPort, sourceMirroring port
}

// management is what the management API said.
type management struct {
	err      error
	instance armtypes.ManagedInstance
	// trusted are the thumbprints of the partners' certificates, shown the one of the instance's endpoint.
	trusted map[string]string // thumbprint → name
	shown   certificateFacts
	links   []armtypes.Link
}

// fqdn is the instance's full name, "" when it is not known.
func (m *management) fqdn() string { return m.instance.Properties.FullyQualifiedDomainName }

func (m *management) link(name string) *armtypes.Link {
	for i := range m.links {
		if strings.EqualFold(m.links[i].Name, name) {
			return &m.links[i]
		}
	}
	return nil
}

// Examine asks both sides and judges. The error is for what keeps it from beginning: files that cannot be read.
func Examine(ctx context.Context, r Request) (*Report, error) {
	if r.Clock == nil {
		r.Clock = clock.System
	}
	f, err := gather(ctx, r)
	if err != nil {
		return nil, err
	}
	report := new(Report)
	f.judge(report, r.Clock.Now())
	report.sort()
	return report, nil
}

func gather(ctx context.Context, r Request) (*facts, error) {
	f := &facts{spec: r.Spec}
	for _, l := range r.Spec.Links {
		s, err := r.Spec.Flow(l, r.Secrets, r.Clock.Now()).Normalize()
		if err != nil {
			return nil, err
		}
		f.links = append(f.links, s)
	}
	sourceCA, err1 := readOptional(r.FS, r.Spec.Source.CA)
	targetCA, err2 := readOptional(r.FS, r.Spec.Target.SQL.CA)
	armCA, err3 := readOptional(r.FS, r.Spec.Target.CA)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var source, target asker
	defer func() { source.close(); target.close() }()
	var wg sync.WaitGroup
	wg.Go(func() { source = f.askSource(ctx, r, sourceCA) })
	wg.Go(func() {
		f.askManagement(ctx, r, armCA)
		target = f.askTarget(ctx, r, targetCA)
	})
	wg.Wait()
	f.testBothWays(ctx, source, target)
	// The mirroring port last: the refusal of a stranger leaves a line in the error log, which is not to be found there.
	f.sourceMirroring = tryMirroring(ctx, f.mirroringHost(), f.mirroringPort())
	return f, nil
}

func readOptional(fs fsx.FS, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	file, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	const most = 1 << 20
	return io.ReadAll(io.NewSectionReader(file, 0, most))
}

func (a asker) close() {
	if a.client != nil {
		_ = a.client.Close() // everything was answered
	}
}

func (f *facts) askSource(ctx context.Context, r Request, ca []byte) asker {
	t := r.Spec.SourceTarget(r.Secrets, ca)
	if f.sourceSQL = tryPort(ctx, t.Address, portOr(t.Port)); f.sourceSQL.state != portOpen {
		f.source = server{name: f.sourceSQL.address, asked: true, err: errors.New(f.sourceSQL.seen)}
		return asker{}
	}
	var a asker
	f.source, a = ask(ctx, t, r.Clock)
	return a
}

const sqlPort = 1433

func portOr(p int) int {
	if p == 0 {
		return sqlPort
	}
	return p
}

func (f *facts) askTarget(ctx context.Context, r Request, ca []byte) asker {
	t := r.Spec.TargetSQL(r.Secrets, f.arm.fqdn(), ca)
	if t.User == "" || t.Password == "" || t.Address == "" {
		return asker{}
	}
	if f.targetSQL = tryPort(ctx, t.Address, portOr(t.Port)); f.targetSQL.state != portOpen {
		f.target = server{name: f.targetSQL.address, asked: true, err: errors.New(f.targetSQL.seen)}
		return asker{}
	}
	var a asker
	f.target, a = ask(ctx, t, r.Clock)
	return a
}

// askManagement reads what the API shows of the instance.
func (f *facts) askManagement(ctx context.Context, r Request, ca []byte) {
	f.arm.trusted = map[string]string{}
	if u, err := url.Parse(r.Spec.Target.Endpoint); err == nil && r.Spec.Target.Endpoint != "" {
		number, _ := strconv.Atoi(u.Port()) // none: 443
		if number == 0 {
			number = 443
		}
		if f.armPort = tryPort(ctx, u.Hostname(), number); f.armPort.state != portOpen {
			f.arm.err = errors.New(f.armPort.seen)
			return
		}
	}
	c, err := armclient.New(r.Spec.ARMOptions(r.Secrets, ca))
	if err != nil {
		f.arm.err = err
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 6*portTimeout)
	defer cancel()
	id, _ := armtypes.ParseInstanceID(r.Spec.Target.Instance) // Validate reports the error
	f.arm.err = f.arm.read(ctx, c, id)
}

func (m *management) read(ctx context.Context, c *armclient.Client, id armtypes.InstanceID) (err error) {
	if m.instance, err = c.Instance(ctx, id); err != nil {
		return err
	}
	trust, err := c.TrustCertificates(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range trust {
		if x, err := armtypes.ParsePublicBlob(t.Properties.PublicBlob); err == nil {
			m.trusted[thumbprint(x.Raw)] = t.Name
		}
	}
	x, err := c.EndpointCertificate(ctx, id)
	if err != nil {
		return err
	}
	m.shown = certificateFacts{name: "endpoint certificate", print: thumbprint(x.Raw), start: x.NotBefore, end: x.NotAfter}
	m.links, err = c.Links(ctx, id)
	return err
}

func thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// mirroringHost and mirroringPort are where the managed instance reaches SQL Server.
func (f *facts) mirroringHost() string {
	if h := f.spec.Source.MirroringAddress; h != "" {
		return h
	}
	return f.spec.Source.Address
}

const mirroringPort = 5022

func (f *facts) mirroringPort() int {
	switch e := f.source.endpoint; {
	case f.spec.Source.MirroringPort != 0:
		return f.spec.Source.MirroringPort
	case e != nil && e.port != 0:
		return e.port
	default:
		return mirroringPort
	}
}

// testBothWays has each server try its way to the other, for each link.
func (f *facts) testBothWays(ctx context.Context, source, target asker) {
	here := "TCP://" + net.JoinHostPort(f.mirroringHost(), strconv.Itoa(f.mirroringPort()))
	there := f.spec.Target.MirroringPort
	if there == 0 {
		there = mirroringPort
	}
	for _, l := range f.links {
		f.source.testLink(ctx, source, l.DAG, "TCP://"+net.JoinHostPort(f.arm.fqdn(), strconv.Itoa(there)))
		f.target.testLink(ctx, target, l.DAG, here)
		f.source.askDivergence(ctx, source, l.DAG)
		f.target.askDivergence(ctx, target, l.DAG)
	}
}
