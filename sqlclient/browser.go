package sqlclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Browser asks the SQL Server Browser service of a host where its instances listen ([MC-SQLR]).
type Browser struct {
	// Host is the host name or address; Port its UDP port, 0 means 1434.
	Host string
	Port int
	// Timeout is how long one datagram is waited for, default 1 s; Tries how often it is sent, default 3.
	Timeout time.Duration
	Tries   int
}

// Instance is what the service says of one instance.
type Instance struct {
	Name, Version string
	Clustered     bool
	// Port is its TCP port; 0 when it does not listen on TCP. Dynamic ports change with a restart of the instance.
	Port int
}

const (
	browserPort    = 1434
	browserTimeout = time.Second
	browserTries   = 3

	askAll, askOne, answer = 0x03, 0x04, 0x05 // CLNT_UCAST_EX, CLNT_UCAST_INST, SVR_RESP
	maxInstanceName        = 32
	maxOneAnswer           = 1024
	maxAllAnswer           = 65535
)

// The ways in which an instance is not found. They are wrapped in a *BrowserError.
var (
	// ErrNoBrowser: nothing came back, neither for the instance nor for all of them.
	ErrNoBrowser = errors.New("SQL Server Browser does not answer")
	// ErrNoInstance: the service knows others, not this one.
	ErrNoInstance = errors.New("SQL Server Browser knows no such instance")
	// ErrNoTCP: the instance is there and has no TCP port.
	ErrNoTCP = errors.New("the instance does not listen on TCP")
	// ErrBrowserAnswer: what came back is no answer of that protocol.
	ErrBrowserAnswer = errors.New("the answer is not one of SQL Server Browser")
)

// BrowserError says why the port of Server\Instance is not known.
type BrowserError struct {
	Server, Instance string
	// Port is the UDP port that was asked; Known are the instances that the service named, for ErrNoInstance.
	Port  int
	Known []string
	// Err is one of the errors above, or wraps what the network said.
	Err error
}

// Error says cause, evidence and next step.
func (e *BrowserError) Error() string {
	return fmt.Sprintf("find the port of %s\\%s by UDP %d: %v — %s", e.Server, e.Instance, e.Port, e.Err, e.Fix())
}

// Unwrap gives the cause.
func (e *BrowserError) Unwrap() error { return e.Err }

// Fix is the next step.
func (e *BrowserError) Fix() string {
	switch {
	case errors.Is(e.Err, ErrNoInstance):
		return "write one of " + strings.Join(e.Known, ", ") + ", or start the instance: the service names running instances that are not hidden"
	case errors.Is(e.Err, ErrNoTCP):
		return "enable TCP/IP for the instance in SQL Server Configuration Manager and restart it"
	default:
		return fmt.Sprintf("start the service \"SQL Server Browser\" on %s and open UDP port %d in the firewalls between, or give the instance's port", e.Server, e.Port)
	}
}

// Find asks for one instance, and gives it with a port. The error is a *BrowserError. The service keeps silent about an
// instance it does not know, so all are asked for then, to tell a wrong name from a service that is away.
func (b Browser) Find(ctx context.Context, instance string) (Instance, error) {
	fail := func(err error, known ...string) (Instance, error) {
		return Instance{}, &BrowserError{Server: b.Host, Instance: instance, Port: b.port(), Known: known, Err: err}
	}
	if instance == "" || len(instance) > maxInstanceName || strings.ContainsAny(instance, "\x00;") {
		return fail(fmt.Errorf("%q is not the name of an instance", instance))
	}
	found, err := b.ask(ctx, append(append([]byte{askOne}, instance...), 0), maxOneAnswer)
	if errors.Is(err, ErrNoBrowser) && ctx.Err() == nil {
		all, allErr := b.ask(ctx, []byte{askAll}, maxAllAnswer)
		if allErr != nil {
			return fail(err)
		}
		found, err = all, nil
	}
	if err != nil {
		return fail(err)
	}
	var known []string
	for _, f := range found {
		if known = append(known, f.Name); !strings.EqualFold(f.Name, instance) {
			continue
		}
		if f.Port == 0 {
			return fail(ErrNoTCP)
		}
		return f, nil
	}
	return fail(ErrNoInstance, known...)
}

// ask sends a request until something comes back. ErrNoBrowser when nothing does.
func (b Browser) ask(ctx context.Context, request []byte, most int) ([]Instance, error) {
	tries, timeout := b.Tries, b.Timeout
	if tries <= 0 {
		tries = browserTries
	}
	if timeout <= 0 {
		timeout = browserTimeout
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(b.Host, strconv.Itoa(b.port())))
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // a datagram socket has nothing to lose
	last := error(nil)
	for range tries {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		found, err := exchange(ctx, conn, request, most, timeout)
		if err == nil || errors.Is(err, ErrBrowserAnswer) {
			return found, err
		}
		last = err
	}
	return nil, fmt.Errorf("%w (asked %d times: %w)", ErrNoBrowser, tries, last)
}

// exchange is one request and its answer.
func exchange(ctx context.Context, conn net.Conn, request []byte, most int, timeout time.Duration) ([]Instance, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(within, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // the next read says that time is up
	defer stop()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	buf := make([]byte, 3+most+1)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	return parseBrowserAnswer(buf[:n], most)
}

func (b Browser) port() int {
	if b.Port == 0 {
		return browserPort
	}
	return b.Port
}

// parseBrowserAnswer reads a SVR_RESP ([MC-SQLR] 2.2.5) whose data has at most most bytes.
func parseBrowserAnswer(p []byte, most int) ([]Instance, error) {
	if len(p) < 3 || p[0] != answer {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrBrowserAnswer)
	}
	size := int(binary.LittleEndian.Uint16(p[1:]))
	if size > most || size > len(p)-3 {
		return nil, fmt.Errorf("%w: %d bytes are announced, %d came, %d are allowed", ErrBrowserAnswer, size, len(p)-3, most)
	}
	var all []Instance
	for _, one := range strings.Split(string(p[3:3+size]), ";;") {
		if strings.Trim(one, "\x00") == "" {
			continue
		}
		i, err := parseInstance(strings.Split(one, ";"))
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: it names no instance", ErrBrowserAnswer)
	}
	return all, nil
}

// parseInstance reads pairs of keys and values; protocols other than TCP are passed over.
func parseInstance(words []string) (Instance, error) {
	var i Instance
	for k := 0; k+1 < len(words); k += 2 {
		switch v := words[k+1]; words[k] {
		case "InstanceName":
			i.Name = v
		case "Version":
			i.Version = v
		case "IsClustered":
			i.Clustered = v == "Yes"
		case "tcp":
			port, err := strconv.Atoi(v)
			if err != nil || port < 0 || port > 65535 {
				return i, fmt.Errorf("%w: %q is no port", ErrBrowserAnswer, v)
			}
			i.Port = port
		}
	}
	if i.Name == "" {
		return i, fmt.Errorf("%w: an instance has no name", ErrBrowserAnswer)
	}
	return i, nil
}
