package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/clock"
)

// recordBytes is about what one insert writes to the log.
const recordBytes = 300

// rawAppend appends records to a preallocated file with an fsync each: the limit of one durable commit after another.
func (b *bench) rawAppend() (float64, error) {
	f, err := os.Create(filepath.Join(b.dir, "raw-append"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(make([]byte, 16<<20)); err != nil {
		return 0, errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return 0, errors.Join(err, f.Close())
	}
	record := make([]byte, recordBytes)
	n, start := int64(0), clock.System.Now()
	for time.Since(start) < b.sample {
		if _, err := f.WriteAt(record, n*recordBytes%(15<<20)); err != nil {
			return 0, errors.Join(err, f.Close())
		}
		if err := f.Sync(); err != nil {
			return 0, errors.Join(err, f.Close())
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), f.Close()
}

// rawTLS is a pair of TLS configurations for loopback.
func rawTLS() (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: clock.System.Now().Add(-time.Hour),
		NotAfter: clock.System.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, nil
}

// rawEcho sends small messages back and forth over TLS on so many connections: the limit of one request after another.
// It gives round trips a second.
func (b *bench) rawEcho(conns int) (float64, error) {
	server, client, err := rawTLS()
	if err != nil {
		return 0, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, conns)
	start := clock.System.Now()
	for i := range conns {
		wg.Go(func() { errs[i] = echo(l.Addr().String(), client, start.Add(b.sample), &n) })
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

func echo(addr string, config *tls.Config, until time.Time, n *atomic.Int64) error {
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	msg := make([]byte, 200)
	for clock.System.Now().Before(until) {
		if _, err := c.Write(msg); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, msg); err != nil {
			return err
		}
		n.Add(1)
	}
	return nil
}

// rawStream copies a file over one TLS stream into another file, synced at the end. It gives MB/s.
func (b *bench) rawStream(size int64) (float64, error) {
	server, client, err := rawTLS()
	if err != nil {
		return 0, err
	}
	src, dst := filepath.Join(b.dir, "raw-src"), filepath.Join(b.dir, "raw-dst")
	defer func() { _, _ = os.Remove(src), os.Remove(dst) }()
	if err := randomFile(src, size); err != nil {
		return 0, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	start := clock.System.Now()
	sent := make(chan error, 1)
	go func() { sent <- sendFile(l.Addr().String(), client, src) }()
	if err := receiveFile(l, dst, size); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return float64(size) / 1e6 / took.Seconds(), <-sent
}

func randomFile(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Sync(), f.Close())
}

func sendFile(addr string, config *tls.Config, name string) error {
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	_, err = io.CopyBuffer(c, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return errors.Join(err, f.Close(), c.Close())
}

func receiveFile(l net.Listener, name string, size int64) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(c, size), make([]byte, 1<<20))
	return errors.Join(err, f.Sync(), f.Close(), c.Close())
}
