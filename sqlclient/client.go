// Package sqlclient owns the outbound side of T-SQL: connecting to any server that speaks TDS, running statements and
// giving back rows, messages and SQL errors in the product's own types.
//
// Connections are encrypted and the server's certificate is checked, unless the target says otherwise. Values are bound
// as parameters; where T-SQL takes none (names and the literals of DDL) the quoting functions here are the only way text
// enters a statement. The password is in Target and goes nowhere else.
package sqlclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// Target says where a server is and who logs in.
type Target struct {
	// Address is the host name or address to dial, Port its TDS port (0 means 1433, or that of Instance).
	Address string
	Port    int
	// Instance is the name of an instance there, without the host's; "" or MSSQLSERVER is the default one. While Port is 0
	// every Open asks SQL Server Browser for its port: dynamic ports change when the instance restarts.
	Instance string
	// BrowserPort is the UDP port of SQL Server Browser; 0 means 1434.
	BrowserPort int
	// Host is the name that the server's certificate must have; "" means Address.
	Host           string
	User, Password string
	// Database is the initial database; "" means the login's default.
	Database string
	// CA is the PEM of the authorities that the server's certificate may be under; nil means the machine's own list.
	CA []byte
	// TrustServerCertificate encrypts without checking who answers. SQL Server's own self-signed certificate needs it
	// when it is in nobody's list; anybody between the two can then read along.
	TrustServerCertificate bool
	// DialTimeout bounds connecting and logging in; default 15 s.
	DialTimeout time.Duration
	// AppName is shown by the server; default "Linkspan".
	AppName string
}

const (
	defaultPort = 1433
	defaultDial = 15 * time.Second
	maxConns    = 4
	maxIdle     = time.Minute
)

// Client runs statements on one server. Safe for concurrent use; each call takes a connection of its own.
type Client struct {
	db     *sql.DB
	server string
}

// Open connects and logs in, so that a wrong address or password shows here. The port of a named instance is asked for
// first; a *BrowserError tells why it is not known.
func Open(ctx context.Context, t Target) (*Client, error) {
	t, err := t.resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.name(), err)
	}
	cfg, err := t.config()
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.name(), err)
	}
	connector := mssql.NewConnectorConfig(cfg)
	connector.Dialer = &net.Dialer{Timeout: cfg.DialTimeout, KeepAlive: 30 * time.Second}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxConns)
	db.SetConnMaxIdleTime(maxIdle)
	c := &Client{db: db, server: t.name()}
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", t.name(), asError(err)), db.Close())
	}
	return c, nil
}

// Close gives the connections up. Idempotent.
func (c *Client) Close() error { return c.db.Close() }

// Server is the address, for messages.
func (c *Client) Server() string { return c.server }

// resolve fills the port of a named instance in.
func (t Target) resolve(ctx context.Context) (Target, error) {
	if t.Instance == "" || t.Port != 0 || strings.EqualFold(t.Instance, "MSSQLSERVER") {
		return t, nil
	}
	i, err := Browser{Host: t.Address, Port: t.BrowserPort}.Find(ctx, t.Instance)
	t.Port = i.Port
	return t, err
}

func (t Target) name() string {
	if t.Port == 0 && t.Instance != "" {
		return t.Address + `\` + t.Instance
	}
	return net.JoinHostPort(t.Address, strconv.Itoa(t.port()))
}

func (t Target) port() int {
	if t.Port == 0 {
		return defaultPort
	}
	return t.Port
}

func (t Target) config() (msdsn.Config, error) {
	var cfg msdsn.Config
	if t.Address == "" {
		return cfg, errors.New("no address")
	}
	if t.port() < 1 || t.port() > 65535 {
		return cfg, fmt.Errorf("%d is no port", t.Port)
	}
	host := t.Host
	if host == "" {
		host = t.Address
	}
	dial := t.DialTimeout
	if dial <= 0 {
		dial = defaultDial
	}
	app := t.AppName
	if app == "" {
		app = "Linkspan"
	}
	tlsConfig, err := t.tls(host)
	if err != nil {
		return cfg, err
	}
	return msdsn.Config{
		Host: t.Address, Port: uint64(t.port()), Database: t.Database, User: t.User, Password: t.Password, AppName: app,
		Encryption: msdsn.EncryptionRequired, TLSConfig: tlsConfig, TrustServerCertificate: t.TrustServerCertificate, HostInCertificateProvided: true,
		DialTimeout: dial, KeepAlive: 30 * time.Second, Protocols: []string{"tcp"}, PacketSize: 4096,
		Encoding: msdsn.EncodeParameters{Timezone: time.UTC}, Parameters: map[string]string{},
	}, nil
}

func (t Target) tls(host string) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify:          t.TrustServerCertificate, //nolint:gosec // asked for by name, and documented
		DynamicRecordSizingDisabled: true,                     // [MS-TDS] 2.2.6.5: one TLS record per packet in the handshake
	}
	if t.CA != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("the CA holds no certificate in PEM")
		}
	}
	return c, nil
}
