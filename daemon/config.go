package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"

	"gopkg.in/yaml.v3"

	"linkspan/sqltype"
)

// The kinds of instance.
const (
	// KindSQLServer plays SQL Server: the source of links.
	KindSQLServer = "sqlserver"
	// KindManagedInstance plays Azure SQL Managed Instance, with its ARM endpoint.
	KindManagedInstance = "managed-instance"
)

// Config describes one instance. Its YAML form is what "linkspan instance --config" reads; relative paths in it are
// relative to the file. docs/configuration.md lists the fields.
type Config struct {
	// Name is the server name: @@SERVERNAME of a SQL Server, the short name of a managed instance.
	Name string `yaml:"name"`
	// Kind is KindSQLServer or KindManagedInstance.
	Kind string `yaml:"kind"`
	// FQDN is the fully qualified name of a managed instance.
	FQDN string `yaml:"fqdn"`
	// Dir holds everything the instance stores.
	Dir string `yaml:"dir"`
	// Listen is the TDS address, "host:port"; port 0 picks a free one.
	Listen string `yaml:"listen"`
	// Addresses are the IP addresses that LISTENER_IP = ALL of a mirroring endpoint means; by default the host of Listen.
	Addresses []string `yaml:"addresses"`
	// MirroringPort is the port of a managed instance's own endpoint; 0 picks a free one. Nil means 5022.
	MirroringPort *int `yaml:"mirroringPort"`
	// Hosts is the host table: names that links and the managed instance's own name resolve by, before DNS.
	Hosts map[string]string `yaml:"hosts"`
	// Collation is the server's collation; by default SQL_Latin1_General_CP1_CI_AS.
	Collation string `yaml:"collation"`
	// Backups are the folders that BACKUP and RESTORE may name files in; names without a folder are files of the first. By
	// default the folder backup in Dir.
	Backups []string `yaml:"backups"`
	// Durability is "full" (a commit is on disk before it is acknowledged; the default) or "none".
	Durability string `yaml:"durability"`
	// Encryption is "required" (the default) or "optional".
	Encryption string `yaml:"encryption"`
	// Credentials is the file, mode 0600, that holds the sa password (JSON {"user","password"}); made with a random
	// password when it does not exist. By default credentials.json in Dir.
	Credentials string `yaml:"credentials"`
	// Password is sa's, in place of Credentials; never in a file.
	Password string `yaml:"-"`
	// CA is the folder with ca.pem and ca-key.pem that server certificates are signed by; made when it does not exist. By
	// default Dir.
	CA string `yaml:"ca"`
	// ARM is the ARM endpoint of a managed instance; nil for none.
	ARM *ARMConfig `yaml:"arm"`
	// Metrics is the port at which Prometheus reads metrics; nil for none.
	Metrics *MetricsConfig `yaml:"metrics"`
	// Memory, Log, Scrub and Seeding are the bounds of what databases take.
	Memory  MemoryConfig  `yaml:"memory"`
	Log     LogConfig     `yaml:"log"`
	Scrub   ScrubConfig   `yaml:"scrub"`
	Seeding SeedingConfig `yaml:"seeding"`
}

// ARMConfig describes the ARM endpoint.
type ARMConfig struct {
	// Listen is "host:port"; port 0 picks a free one.
	Listen string `yaml:"listen"`
	// Tenant, Subscription and ClientID are GUIDs; ResourceGroup and Location are names.
	Tenant        string `yaml:"tenant"`
	Subscription  string `yaml:"subscription"`
	ClientID      string `yaml:"clientId"`
	ResourceGroup string `yaml:"resourceGroup"`
	Location      string `yaml:"location"`
	// Credentials is the file, mode 0600, with {"tenant","clientId","clientSecret"}; made when it does not exist. By
	// default arm.json in the instance's folder.
	Credentials string `yaml:"credentials"`
	// ClientSecret is the client's, in place of Credentials; never in a file.
	ClientSecret string `yaml:"-"`
}

// LoadConfig reads a configuration file, fills in the defaults and validates it. Unknown fields are errors.
func LoadConfig(file string) (Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	switch err := d.Decode(&c); {
	case errors.Is(err, io.EOF):
		return Config{}, fmt.Errorf("configuration %s is empty", file)
	case err != nil:
		return Config{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("configuration %s holds more than one document: one file describes one instance", file)
	}
	base := filepath.Dir(file)
	for _, p := range []*string{&c.Dir, &c.Credentials, &c.CA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	for i, p := range c.Backups {
		if !filepath.IsAbs(p) {
			c.Backups[i] = filepath.Join(base, p)
		}
	}
	if c.ARM != nil && c.ARM.Credentials != "" && !filepath.IsAbs(c.ARM.Credentials) {
		c.ARM.Credentials = filepath.Join(base, c.ARM.Credentials)
	}
	if c.Metrics != nil && c.Metrics.TokenFile != "" && !filepath.IsAbs(c.Metrics.TokenFile) {
		c.Metrics.TokenFile = filepath.Join(base, c.Metrics.TokenFile)
	}
	c.fillDefaults()
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	return c, nil
}

func (c *Config) fillDefaults() {
	setDefault(&c.Kind, KindSQLServer)
	setDefault(&c.Listen, "127.0.0.1:1433")
	setDefault(&c.Collation, "SQL_Latin1_General_CP1_CI_AS")
	setDefault(&c.Durability, "full")
	setDefault(&c.Encryption, "required")
	setDefault(&c.Credentials, filepath.Join(c.Dir, "credentials.json"))
	setDefault(&c.CA, c.Dir)
	if c.Kind == KindManagedInstance {
		setDefault(&c.FQDN, c.Name+".linkspan.test")
	}
	if c.MirroringPort == nil {
		port := 5022
		c.MirroringPort = &port
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && len(c.Addresses) == 0 {
		c.Addresses = []string{listenerAddress(host)}
	}
	if c.Metrics != nil {
		c.Metrics.fillDefaults()
	}
	if a := c.ARM; a != nil {
		setDefault(&a.Listen, "localhost:8443")
		setDefault(&a.Tenant, "00000000-0000-4000-8000-000000000001")
		setDefault(&a.Subscription, "00000000-0000-4000-8000-000000000002")
		setDefault(&a.ClientID, "00000000-0000-4000-8000-000000000003")
		setDefault(&a.ResourceGroup, "linkspan")
		setDefault(&a.Location, "local")
		setDefault(&a.Credentials, filepath.Join(c.Dir, "arm.json"))
	}
}

// listenerAddress is the IP address of a port's host, or the host where that is a name that only the user can tell.
func listenerAddress(host string) string {
	switch host {
	case "":
		return "0.0.0.0"
	case "localhost":
		return "127.0.0.1"
	default:
		return host
	}
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

var (
	serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Validate reports every problem of the configuration at once.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !serverName.MatchString(c.Name) {
		bad("name %q: letters, digits, - and _, at most 63", c.Name)
	}
	if c.Kind != KindSQLServer && c.Kind != KindManagedInstance {
		bad("kind %q: %q or %q", c.Kind, KindSQLServer, KindManagedInstance)
	}
	if c.Dir == "" {
		bad("dir is missing: the folder for everything the instance stores")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen: %v", err)
	}
	for _, a := range c.Addresses {
		if _, err := netip.ParseAddr(a); err != nil {
			bad("addresses: %q is no IP address", a)
		}
	}
	if _, ok := sqltype.LookupCollation(c.Collation); !ok {
		bad("collation %q is not known; docs/parity.md lists those that are", c.Collation)
	}
	if c.Durability != "full" && c.Durability != "none" {
		bad("durability %q: \"full\" or \"none\"", c.Durability)
	}
	if c.Encryption != "required" && c.Encryption != "optional" {
		bad("encryption %q: \"required\" or \"optional\"", c.Encryption)
	}
	if p := c.MirroringPort; p != nil && (*p < 0 || *p > 65535) {
		bad("mirroringPort %d: 0 to 65535", *p)
	}
	for name, ip := range c.Hosts {
		if net.ParseIP(ip) == nil {
			bad("hosts: %s: %q is no IP address", name, ip)
		}
	}
	if c.Metrics != nil {
		problems = append(problems, c.Metrics.validate()...)
	}
	problems = append(problems, c.validateBounds()...)
	if c.ARM != nil {
		if c.Kind != KindManagedInstance {
			bad("arm: only a managed instance has an ARM endpoint")
		}
		problems = append(problems, c.ARM.validate()...)
	}
	return errors.Join(problems...)
}

func (a *ARMConfig) validate() (problems []error) {
	if _, _, err := net.SplitHostPort(a.Listen); err != nil {
		problems = append(problems, fmt.Errorf("arm: listen: %w", err))
	}
	for _, id := range []struct{ name, value string }{{"tenant", a.Tenant}, {"subscription", a.Subscription}, {"clientId", a.ClientID}} {
		if !guid.MatchString(id.value) {
			problems = append(problems, fmt.Errorf("arm: %s %q is no GUID", id.name, id.value))
		}
	}
	return problems
}
