package daemon

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"linkspan/arm"
)

// certificates gives the API's certificate for each connection, and the file with the authority to trust when it is ours.
func (c *ServeConfig) certificates() (get func(*tls.ClientHelloInfo) (*tls.Certificate, error), ca string, err error) {
	var s certificateSource
	if c.TLS != nil {
		s.renew = func() (tls.Certificate, time.Time, error) { return givenCertificate(c.TLS) }
		s.changed = func() string { return stamp(c.TLS.Cert) + stamp(c.TLS.Key) }
	} else {
		dir := filepath.Join(c.State, "tls")
		a, err := openAuthority(dir, now())
		if err != nil {
			return nil, "", err
		}
		ca = filepath.Join(dir, arm.CAFile)
		names := append([]string{}, c.Names...)
		if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
			names = append(names, host)
		}
		names = append(names, "localhost", "127.0.0.1")
		s.renew = func() (tls.Certificate, time.Time, error) {
			cert, err := a.issue(now(), names...)
			return cert, now().Add(leafLife - renewBefore), err
		}
		s.changed = func() string { return "" }
	}
	if _, err := s.get(nil); err != nil {
		return nil, "", err
	}
	return s.get, ca, nil
}

// renewBefore is how long before its end a certificate of ours is made anew.
const renewBefore = 30 * 24 * time.Hour

// lookAtFiles is how often the files of a certificate are looked at.
const lookAtFiles = 10 * time.Second

// certificateSource gives a certificate, and makes or reads it anew when it is time.
type certificateSource struct {
	renew   func() (cert tls.Certificate, until time.Time, err error)
	changed func() string // another text when the files are others

	mu     sync.Mutex // protects what follows
	cert   *tls.Certificate
	until  time.Time
	looked time.Time
	seen   string
}

func (s *certificateSource) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := now()
	if s.cert != nil && t.Before(s.until) && t.Sub(s.looked) < lookAtFiles {
		return s.cert, nil
	}
	s.looked = t
	seen := s.changed()
	if s.cert != nil && t.Before(s.until) && seen == s.seen {
		return s.cert, nil
	}
	cert, until, err := s.renew()
	if err != nil {
		if s.cert != nil {
			return s.cert, nil // the new one may be half written: it is looked at again soon
		}
		return nil, err
	}
	s.cert, s.until, s.seen = &cert, until, seen
	return s.cert, nil
}

// givenCertificate reads the files of a certificate.
func givenCertificate(f *ServeTLS) (tls.Certificate, time.Time, error) {
	if err := checkPrivate(f.Key); err != nil {
		return tls.Certificate{}, time.Time{}, fmt.Errorf("tls: key: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return tls.Certificate{}, time.Time{}, fmt.Errorf("tls: %w", err)
	}
	if t := now(); t.Before(cert.Leaf.NotBefore) || !t.Before(cert.Leaf.NotAfter) {
		return tls.Certificate{}, time.Time{}, fmt.Errorf("tls: %s is valid from %s to %s", f.Cert, cert.Leaf.NotBefore.Format(time.RFC3339), cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return cert, cert.Leaf.NotAfter, nil
}

// stamp changes when a file does.
func stamp(file string) string {
	st, err := os.Stat(file)
	if err != nil {
		return "-"
	}
	return fmt.Sprintf("%d %d;", st.ModTime().UnixNano(), st.Size())
}
