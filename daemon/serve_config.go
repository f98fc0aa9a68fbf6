package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"
)

// engageEvery is how often a state folder is tried that another process works on.
const engageEvery = 2 * time.Second

// ServeConfig describes "linkspan serve". Its YAML form is what --config reads; relative paths in it are relative to the
// file. docs/serve.md lists the fields.
type ServeConfig struct {
	// State is the folder of the ledger, which commands use beside the service.
	State string `yaml:"state"`
	// Listen is "host:port" of the API; port 0 picks a free one.
	Listen string `yaml:"listen"`
	// Names are host names and addresses in the certificate that is made here, besides the host of Listen.
	Names []string `yaml:"names"`
	// TLS are the files of a certificate of yours; without them one is made under an authority in State.
	TLS *ServeTLS `yaml:"tls"`
	// Tokens is the file, mode 0600, with the hashes of the bearer tokens; made with one operator when it does not exist. By
	// default tokens.json in State.
	Tokens string `yaml:"tokens"`
	// Specs is the folder against which relative paths in posted specs are resolved; by default specs in State.
	Specs string `yaml:"specs"`
	// SecretFolders are where files with passwords, keys and certificates may lie that a posted spec names; by default Specs.
	SecretFolders []string `yaml:"secretFolders"`
	// DataFolders are where local shares and local storage may lie that a posted spec names; by default nowhere.
	DataFolders []string `yaml:"dataFolders"`
	// Reports is the folder of report files; by default reports in State.
	Reports string `yaml:"reports"`
	// SecretsFromEnvironment lets the engine take secrets from the environment, for every activity alike.
	SecretsFromEnvironment bool `yaml:"secretsFromEnvironment"`
	// MetricsOnLoopback shows the metrics to clients of this machine without a token.
	MetricsOnLoopback bool `yaml:"metricsOnLoopback"`
}

// ServeTLS names the files of a certificate, PEM. They are read again when they change.
type ServeTLS struct {
	// Cert holds the certificate with those that it is under, Key its private key, mode 0600.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// LoadServeConfig reads a configuration file. Unknown fields are errors. Defaults are filled in by StartService.
func LoadServeConfig(file string) (ServeConfig, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return ServeConfig{}, fmt.Errorf("read configuration: %w", err)
	}
	var c ServeConfig
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return ServeConfig{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return ServeConfig{}, fmt.Errorf("configuration %s holds more than one document", file)
	}
	base, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return ServeConfig{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	all := []*string{&c.State, &c.Tokens, &c.Specs, &c.Reports}
	if c.TLS != nil {
		all = append(all, &c.TLS.Cert, &c.TLS.Key)
	}
	for _, list := range [][]string{c.SecretFolders, c.DataFolders} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	for _, p := range all {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	return c, nil
}

func (c *ServeConfig) fillDefaults() {
	setDefault(&c.Listen, "127.0.0.1:7443")
	if c.State == "" {
		return // Validate says so
	}
	setDefault(&c.Tokens, filepath.Join(c.State, "tokens.json"))
	setDefault(&c.Specs, filepath.Join(c.State, "specs"))
	setDefault(&c.Reports, filepath.Join(c.State, "reports"))
	if c.SecretFolders == nil {
		c.SecretFolders = []string{c.Specs}
	}
}

// Validate reports every problem.
func (c *ServeConfig) Validate() error {
	var errs []error
	if c.State == "" {
		errs = append(errs, errors.New("state: it is missing"))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w", err))
	}
	if c.TLS != nil && (c.TLS.Cert == "" || c.TLS.Key == "") {
		errs = append(errs, errors.New("tls: cert and key come together"))
	}
	if c.TLS != nil && len(c.Names) > 0 {
		errs = append(errs, errors.New("names: they are for a certificate that is made here; with tls they mean nothing"))
	}
	for at, list := range map[string][]string{"state": {c.State}, "specs": {c.Specs}, "secretFolders": c.SecretFolders, "dataFolders": c.DataFolders} {
		for _, p := range list {
			if p != "" && !filepath.IsAbs(p) {
				errs = append(errs, fmt.Errorf("%s: %s is not an absolute path", at, p))
			}
			if at != "state" && p != "" && filepath.Clean(p) == string(filepath.Separator) {
				errs = append(errs, fmt.Errorf("%s: / would let a spec name any file of this machine", at))
			}
		}
	}
	return errors.Join(errs...)
}

// shownAddress is the bound address as clients use it: by the name of Listen, when it has one.
func (c *ServeConfig) shownAddress(bound net.Addr) string {
	host, _, err := net.SplitHostPort(c.Listen)
	_, port, berr := net.SplitHostPort(bound.String())
	if err != nil || berr != nil {
		return bound.String()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if len(c.Names) > 0 {
			host = c.Names[0]
		}
	}
	return net.JoinHostPort(host, port)
}

// Check reports every problem that the configuration has with its defaults filled in.
func (c ServeConfig) Check() error {
	c.fillDefaults()
	return c.Validate()
}
