// Package smb is a folder of an SMB share (SMB 2 and 3, NTLM) as a source of backup files.
//
// What goes over the wire is signed always, and encrypted where the server can. Guests, who can do neither, are not let
// by. A connection that broke stays broken: errors of kind Lost ask the caller to open another.
package smb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"
)

// Options says which share, and who asks.
type Options struct {
	// Address is the server, with or without a port; 445 is the default.
	Address string
	// Share is the share's name, Folder the folder in it that is the source; "" is the whole share.
	Share, Folder string
	// User may be name, DOMAIN\name, name@domain, or AZURE\account for an Azure file share, with the account's key as
	// Password.
	User, Password string
	// DialTimeout bounds reaching the server (default 15 s), LoginTimeout negotiation, login and opening the share (30 s),
	// CallTimeout each request after that (60 s). A server that is later than that is taken for dead.
	DialTimeout, LoginTimeout, CallTimeout time.Duration
}

const (
	defaultPort  = "445"
	dialTimeout  = 15 * time.Second
	loginTimeout = 30 * time.Second
	callTimeout  = 60 * time.Second
)

// Validate reports what is missing or wrong.
func (o Options) Validate() error {
	var errs []error
	if o.Address == "" {
		errs = append(errs, errors.New("the server's address is missing"))
	}
	if o.Share == "" || strings.ContainsAny(o.Share, `/\`) {
		errs = append(errs, fmt.Errorf("%q is not the name of a share", o.Share))
	}
	if o.User == "" {
		errs = append(errs, errors.New("the user is missing: guests cannot sign what they say, so that they are not supported"))
	}
	if o.DialTimeout < 0 || o.LoginTimeout < 0 || o.CallTimeout < 0 {
		errs = append(errs, errors.New("a timeout is negative"))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&o.DialTimeout, dialTimeout)
	set(&o.LoginTimeout, loginTimeout)
	set(&o.CallTimeout, callTimeout)
	return o
}

// host is the server without a port; dial its address with one.
func (o Options) host() string {
	if h, _, err := net.SplitHostPort(o.Address); err == nil {
		return h
	}
	return strings.Trim(o.Address, "[]")
}

func (o Options) dial() string {
	if _, _, err := net.SplitHostPort(o.Address); err == nil {
		return o.Address
	}
	return net.JoinHostPort(strings.Trim(o.Address, "[]"), defaultPort)
}

// unc is the share as Windows writes it.
func (o Options) unc() string { return `\\` + o.host() + `\` + o.Share }

// Source is an open share. It implements media.Flat. Its methods may run concurrently.
type Source struct {
	o       Options
	conn    net.Conn
	session *smb2.Session
	share   *smb2.Share
	heard   greeting
	// running are the requests under way.
	running sync.WaitGroup
	mu      struct {
		sync.Mutex
		closed bool
	}
}

// Open connects, logs in and opens the share. The error is an *Error, ctx's, or says which option is wrong.
func Open(ctx context.Context, o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open share: %w", err)
	}
	o = o.withDefaults()
	conn, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn}
	s := &Source{o: o, conn: w}
	if err := s.login(ctx, w); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// Encrypted reports whether what goes over the wire is encrypted as well as signed.
func (s *Source) Encrypted() bool { return s.heard.encrypts }

func reach(ctx context.Context, o Options) (net.Conn, error) {
	dctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dctx, "tcp", o.dial())
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reach file server %s: %w", o.dial(), context.Cause(ctx))
	}
	return nil, &Error{Kind: unreached(err), Where: o.dial(), Host: o.host(), User: o.User, Err: err}
}

// login negotiates, logs in and opens the share.
func (s *Source) login(ctx context.Context, w *wire) error {
	lctx, cancel := context.WithTimeout(ctx, s.o.LoginTimeout)
	defer cancel()
	dialer := smb2.Dialer{Negotiator: smb2.Negotiator{RequireMessageSigning: true}, Initiator: initiator(s.o)}
	session, err := dialer.DialConn(lctx, w, s.o.host())
	s.heard = w.heard()
	if e := s.refused(err); e != nil {
		return s.own(ctx, e)
	}
	share, err := session.WithContext(lctx).Mount(s.o.Share)
	if err != nil {
		k := after(err, true)
		if k == NoFolder {
			k = NoShare
		}
		return s.own(ctx, s.failure(k, s.o.unc(), err))
	}
	s.session, s.share = session, share
	return nil
}

// refused says why the login was not made, or must not have been; nil when all is well.
func (s *Source) refused(err error) *Error {
	h := s.heard
	switch {
	case h.old:
		return s.failure(NotSMB, s.o.dial(), errors.New("it answered in SMB 1"))
	case h.foreign:
		return s.failure(NotSMB, s.o.dial(), errors.New("its answer is no SMB message"))
	case h.guest:
		return s.failure(NoSigning, s.o.dial(), errors.New("it let the user in as a guest: it does not know the user, or takes anybody"))
	case h.dialect != 0 && !h.signs:
		return s.failure(NoSigning, s.o.dial(), errors.New("it offers no signing"))
	case err != nil:
		return s.failure(refusedLogin(err), s.o.dial(), err)
	default:
		return nil
	}
}

func (s *Source) failure(k Kind, where string, err error) *Error {
	return &Error{Kind: k, Where: where, Host: s.o.host(), User: s.o.User, Err: plain(err)}
}

// own gives way to ctx's error when that is why.
func (s *Source) own(ctx context.Context, e *Error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("log in to file server %s: %w", e.Where, context.Cause(ctx))
	}
	return e
}

// initiator takes the forms of names apart: a name with a domain behind it is given as it is.
func initiator(o Options) *smb2.NTLMInitiator {
	i := &smb2.NTLMInitiator{User: o.User, Password: o.Password, TargetSPN: "cifs/" + o.host()}
	if domain, name, ok := strings.Cut(o.User, `\`); ok {
		i.Domain, i.User = domain, name
	}
	return i
}

// Close implements media.Source. It gives the connection up; the server closes what was open.
func (s *Source) Close() error {
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.share.WithContext(ctx).Umount()
	_ = s.session.WithContext(ctx).Logoff() // closes the connection however it ends
	s.running.Wait()
	return nil
}

// closeTimeout bounds what is said at the end: a server that does not listen finds out by itself.
const closeTimeout = 5 * time.Second
