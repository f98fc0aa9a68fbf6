package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"linkspan/arm"
	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/internal/startstop"
	"linkspan/logreplay"
	"linkspan/tdsserver"
)

// Daemon is a running instance with its ports. Start makes it, Stop ends it.
type Daemon struct {
	config Config
	log    *slog.Logger
	group  *startstop.Group

	instance  *instance.Instance
	tds       *tdsserver.Server
	arm       *arm.Server
	armURL    string
	replays   *logreplay.Manager
	authority *authority
	// memory is what the garbage collector was told of this instance.
	memory int64

	metrics    *http.Server
	metricsURL string
}

// Ready is what a running instance answers on; "linkspan instance --json" prints it.
type Ready struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	FQDN    string `json:"fqdn,omitempty"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	User    string `json:"user"`
	// Credentials is the file with the password, CA the file with the authority to trust.
	Credentials string `json:"credentials"`
	CA          string `json:"ca"`
	ARM         string `json:"arm,omitempty"`
	// Metrics is where Prometheus reads.
	Metrics string `json:"metrics,omitempty"`
}

// Start opens the instance, then its ports: clients find it whole or not at all. Errors are those of the
// configuration, of master, and of ports that cannot be bound; what was started is stopped again.
func Start(ctx context.Context, c Config, log *slog.Logger) (*Daemon, error) {
	c.fillDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{config: c, log: log.With("instance", c.Name), group: startstop.New(context.WithoutCancel(ctx))}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

func (d *Daemon) start(ctx context.Context) error {
	c := d.config
	now := clock.System.Now()
	var err error
	if d.authority, err = openAuthority(c.CA, now); err != nil {
		return err
	}
	creds := sqlCredentials{User: "sa", Password: c.Password}
	if c.Password == "" {
		if creds, err = openSecret(c.Credentials, freshSQL); err != nil {
			return err
		}
		if creds.Password == "" {
			return fmt.Errorf("credentials file %s has no password", c.Credentials)
		}
	}
	d.memory = c.storage().MemoryBytes
	limitMemory(d.memory)
	if d.instance, err = instance.Open(ctx, d.instanceOptions(creds)); err != nil {
		return err
	}
	if err := d.startTDS(ctx); err != nil {
		return err
	}
	if c.Metrics != nil {
		if err := d.startMetrics(ctx); err != nil {
			return err
		}
	}
	if c.ARM != nil {
		return d.startARM()
	}
	return nil
}

func (d *Daemon) instanceOptions(creds sqlCredentials) instance.Options {
	c := d.config
	o := instance.Options{
		Name: c.Name, Kind: instance.SQLServer, FQDN: c.FQDN, Dir: c.Dir, Log: d.log, Collation: c.Collation, NoSync: c.Durability == "none",
		Administrator: creds.User, Password: creds.Password, Addresses: c.Addresses, MirroringPort: *c.MirroringPort,
		LookupHost: hostTable(c.Hosts).lookup, BackupFolders: absolute(c.Backups), Storage: c.storage(),
	}
	if c.Kind == KindManagedInstance {
		o.Kind = instance.ManagedInstance
	}
	return o
}

// absolute makes paths absolute; one that cannot be made so stays, and is refused by name later.
func absolute(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if a, err := filepath.Abs(p); err == nil {
			p = a
		}
		out = append(out, p)
	}
	return out
}

func (d *Daemon) startTDS(ctx context.Context) error {
	names := []string{d.config.Name, "localhost"}
	if d.config.FQDN != "" {
		names = append([]string{d.config.FQDN}, names...)
	}
	if host, _, err := net.SplitHostPort(d.config.Listen); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
	}
	cert, err := d.authority.issue(clock.System.Now(), names...)
	if err != nil {
		return err
	}
	o := tdsserver.Options{Addresses: []string{d.config.Listen}, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Backend: d.instance, Log: d.log.With("component", "tds"), ServerName: d.config.Name}
	if d.config.Encryption == "optional" {
		o.Encryption = tdsserver.Optional
	}
	if d.tds, err = tdsserver.New(o); err != nil {
		return err
	}
	if err := d.tds.Start(ctx); err != nil {
		d.tds = nil
		return fmt.Errorf("listen for SQL clients on %s: %w", d.config.Listen, err)
	}
	return nil
}

// Ready tells where the instance answers.
func (d *Daemon) Ready() Ready {
	r := Ready{Name: d.config.Name, Kind: d.config.Kind, FQDN: d.config.FQDN, User: "sa", Credentials: d.config.Credentials,
		CA: caFile(d.config.CA), ARM: d.armURL, Metrics: d.metricsURL}
	if addrs := d.tds.Addrs(); len(addrs) > 0 {
		host, port, err := net.SplitHostPort(addrs[0].String())
		if err == nil {
			r.Address = host
			r.Port, _ = strconv.Atoi(port) // a bound address has a number
		}
	}
	return r
}

// Stop closes the ports, then ends sessions, links and databases, and waits. Idempotent.
func (d *Daemon) Stop() error {
	errs := []error{d.stopMetrics()}
	if d.arm != nil {
		errs = append(errs, d.arm.Close())
	}
	if d.tds != nil {
		d.tds.Stop()
	}
	if d.replays != nil {
		d.replays.Close()
	}
	if d.instance != nil {
		errs = append(errs, d.instance.Close())
	}
	d.group.Stop()
	limitMemory(-d.memory)
	d.memory = 0
	return errors.Join(errs...)
}

// hostTable is the configuration's host names; what is not in it is asked of the system.
type hostTable map[string]string

func (h hostTable) lookup(ctx context.Context, host string) ([]string, error) {
	for name, ip := range h {
		if equalFold(name, host) {
			return []string{ip}, nil
		}
	}
	return net.DefaultResolver.LookupHost(ctx, host)
}
