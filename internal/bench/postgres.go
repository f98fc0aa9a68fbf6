package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"linkspan/internal/clock"
)

// postgresBin is where Debian keeps the peer's programs.
const postgresBin = "/usr/lib/postgresql/15/bin"

// cluster is a PostgreSQL primary and its standbys in one folder, who let nobody in but with a certificate over TLS.
type cluster struct {
	dir string
	as  account
}

// node is one PostgreSQL server.
type node struct {
	c    *cluster
	name string
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// newCluster makes the folder, the certificates and an account for servers that refuse to run as root.
func (b *bench) newCluster() (*cluster, error) {
	if _, err := os.Stat(filepath.Join(postgresBin, "postgres")); err != nil {
		return nil, fmt.Errorf("PostgreSQL 15, the peer that is measured beside, is not installed (scripts/deps.sh bench): %w", err)
	}
	c := &cluster{dir: filepath.Join(b.dir, "postgres")}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if c.as, err = newAccount(); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(b.dir, 0o711), c.as.own(c.dir)); err != nil {
		return nil, err
	}
	return c, peerCertificates(c.dir, c.as.own)
}

// command is one of PostgreSQL's programs, run as the servers' account. It ends with this process.
func (c *cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(postgresBin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "LC_ALL=C", "TZ=UTC")
	c.as.use(cmd)
	return cmd
}

func (c *cluster) run(ctx context.Context, program string, args ...string) error {
	out, err := c.command(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// conninfo says how everybody reaches a server: over TLS, both sides showing certificates.
func (c *cluster) conninfo(port int, more string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=verify-full sslrootcert=%s sslcert=%s sslkey=%s %s",
		port, filepath.Join(c.dir, "ca.pem"), filepath.Join(c.dir, "client.pem"), filepath.Join(c.dir, "client.key"), more)
}

// settings are what both servers run with, beside PostgreSQL's own defaults: TLS, replication, room for what the
// measurements write, and no five seconds of waiting before a standby looks for its primary again.
const settings = `listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_min_protocol_version = 'TLSv1.3'
ssl_ca_file = '%[1]s/ca.pem'
ssl_cert_file = '%[1]s/server.pem'
ssl_key_file = '%[1]s/server.key'
shared_buffers = 256MB
max_wal_size = 4GB
wal_keep_size = 1GB
wal_sender_timeout = 60s
wal_retrieve_retry_interval = 10ms
hot_standby_feedback = on
log_min_messages = fatal
`

// primary makes and starts a fresh server.
func (c *cluster) primary(ctx context.Context) (*node, error) {
	n := &node{c: c, name: "primary", port: freePort()}
	if err := c.run(ctx, "initdb", "-D", n.dir(), "-U", "postgres", "-A", "reject", "-E", "UTF8", "--no-locale", "--no-instructions"); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"pg_hba.conf":     "hostssl all postgres 127.0.0.1/32 cert\nhostssl replication postgres 127.0.0.1/32 cert\n",
		"postgresql.conf": fmt.Sprintf(settings, c.dir),
	} {
		if err := os.WriteFile(filepath.Join(n.dir(), name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return n, n.start(ctx)
}

// baseBackup seeds a copy of the server with pg_basebackup, and gives its bytes without the log and the time it took.
func (c *cluster) baseBackup(ctx context.Context, from *node, name string) (n *node, size int64, took time.Duration, err error) {
	n = &node{c: c, name: name, port: freePort()}
	start := clock.System.Now()
	err = c.run(ctx, "pg_basebackup", "-D", n.dir(), "-d", c.conninfo(from.port, ""), "-X", "stream", "-c", "fast", "-R")
	took = time.Since(start)
	if err != nil {
		return nil, 0, 0, err
	}
	err = filepath.WalkDir(n.dir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "pg_wal") {
			return err
		}
		i, err := d.Info()
		if err == nil {
			size += i.Size()
		}
		return err
	})
	return n, size, took, err
}

func (n *node) dir() string { return filepath.Join(n.c.dir, n.name) }

// start runs the server and waits until it answers.
func (n *node) start(ctx context.Context) error {
	n.cmd = n.c.command(context.Background(), "postgres", "-D", n.dir(), "-p", strconv.Itoa(n.port))
	n.done = make(chan struct{})
	log, err := os.Create(filepath.Join(n.c.dir, n.name+".log"))
	if err != nil {
		return err
	}
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	go func() { _ = n.cmd.Wait(); _ = log.Close(); close(n.done) }()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		conn, err := n.connect(ctx)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-n.done:
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres ended: %s", said)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// connect opens a client's connection.
func (n *node) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, n.c.conninfo(n.port, "dbname=postgres"))
}

// stop ends the server: cleanly, which sends everything to the standby first, or at once.
func (n *node) stop(signal syscall.Signal) {
	if n == nil || n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(signal) // it may have ended
	<-n.done
}

// follow makes a stopped server, which had no more log than the other, its standby.
func (n *node) follow(ctx context.Context, primary *node) error {
	info := strings.ReplaceAll(n.c.conninfo(primary.port, ""), "'", "''")
	auto := filepath.Join(n.dir(), "postgresql.auto.conf")
	err := os.WriteFile(auto, fmt.Appendf(nil, "primary_conninfo = '%s'\n", info), 0o600)
	signal := filepath.Join(n.dir(), "standby.signal")
	err = errors.Join(err, n.c.as.own(auto), os.WriteFile(signal, nil, 0o600), n.c.as.own(signal))
	if err != nil {
		return err
	}
	return n.start(ctx)
}

// freePort suggests a port.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer func() { _ = l.Close() }() // only its number was wanted
	a, _ := l.Addr().(*net.TCPAddr)
	return a.Port
}
