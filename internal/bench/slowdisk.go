package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"linkspan/instance"
	"linkspan/internal/fsx"
	"linkspan/internal/harness"
	"linkspan/tdsserver"
)

// slowSync is what a sync takes on the slow disk: about that of a disk in a network.
const slowSync = 2 * time.Millisecond

// slowFS is a disk that is as fast as it is, but for its syncs.
type slowFS struct{ fsx.FS }

type slowFile struct{ fsx.File }

func (f slowFile) Sync() error {
	time.Sleep(slowSync)
	return f.File.Sync()
}

func slow(f fsx.File, err error) (fsx.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{f}, nil
}

func (s slowFS) Create(name string) (fsx.File, error) { return slow(s.FS.Create(name)) }
func (s slowFS) Open(name string) (fsx.File, error)   { return slow(s.FS.Open(name)) }
func (s slowFS) OpenRW(name string) (fsx.File, error) { return slow(s.FS.OpenRW(name)) }

// slowDisk measures how commits of 16 clients share syncs, where a sync is what a commit waits for. The disk is made slow
// inside this process, so that the figure means the same on every machine; the baseline is one client on that disk.
func (b *bench) slowDisk(ctx context.Context) error {
	dir := filepath.Join(b.dir, "slow")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	password := hex.EncodeToString(secret)
	in, err := instance.Open(ctx, instance.Options{Name: "bench", Kind: instance.SQLServer, FS: slowFS{fsx.OS{}}, Dir: filepath.Join(dir, "data"),
		Administrator: "sa", Password: password})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	tls, _, err := rawTLS()
	if err != nil {
		return err
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificates[0].Certificate[0]}), 0o600); err != nil {
		return err
	}
	srv, err := tdsserver.New(tdsserver.Options{Addresses: []string{"127.0.0.1:0"}, TLS: tls, Backend: in, ServerName: "bench"})
	if err != nil {
		return err
	}
	if err := srv.Start(ctx); err != nil {
		return err
	}
	defer srv.Stop()
	host, port, err := net.SplitHostPort(srv.Addrs()[0].String())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	db, err := database(ctx, harness.Login{Address: host, Port: n, User: "sa", Password: password, CA: ca}, "bench")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	samples, base, err := b.repeat(func() (float64, error) { return b.insertRate(ctx, db, 16) }, func() (float64, error) { return b.insertRate(ctx, db, 1) })
	if err != nil {
		return err
	}
	return b.report("tds_insert_16_slow_disk", "tx/s", samples, "tds_insert_1_slow_disk", base)
}
