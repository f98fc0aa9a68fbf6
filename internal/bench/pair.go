package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"linkspan/internal/fsx"
	"linkspan/internal/harness"
	"linkspan/link"
)

// pair is a source and a managed instance as processes of their own, with a network between them that can be cut.
type pair struct {
	dir            string
	source, target *server
	network        *harness.Proxy
	// mirroring is the port of the source's endpoint, arm that of the management API.
	mirroring, arm int
}

// The addresses of a pair: the managed instance reaches the source through proxyIP.
const (
	sourceIP = "127.0.0.1"
	targetIP = "127.0.0.2"
	proxyIP  = "127.0.0.3"
)

// startPair starts both; more are lines of the source's configuration.
func (b *bench) startPair(ctx context.Context, name string, more ...string) (*pair, error) {
	p := &pair{dir: filepath.Join(b.dir, name), mirroring: freePort(), arm: freePort()}
	var err error
	p.source, err = b.startInstance(ctx, filepath.Join(p.dir, "sqlserver1"),
		fmt.Sprintf("name: sqlserver1\ndir: data\nlisten: %s:0\nca: ../ca\nhosts: {sqlmi1.linkspan.test: %s}\n%s", sourceIP, targetIP, strings.Join(more, "")))
	if err != nil {
		return nil, err
	}
	p.target, err = b.startInstance(ctx, filepath.Join(p.dir, "sqlmi1"), fmt.Sprintf("name: sqlmi1\nkind: managed-instance\ndir: data\nlisten: %s:0\nca: ../ca\n"+
		"mirroringPort: %d\narm: {listen: \"localhost:%d\"}\n", targetIP, freePort(), p.arm))
	if err == nil {
		p.network, err = harness.StartProxy(ctx, fmt.Sprintf("%s:%d", proxyIP, p.mirroring), fmt.Sprintf("%s:%d", sourceIP, p.mirroring))
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) close() {
	p.source.process.Kill()
	if p.target != nil {
		p.target.process.Kill()
	}
	if p.network != nil {
		_ = p.network.Close()
	}
}

// open connects the orchestrator to the pair, for one database.
func (p *pair) open(ctx context.Context, database string) (*link.Session, error) {
	var arm struct{ ClientSecret string }
	raw, err := os.ReadFile(filepath.Join(p.dir, "sqlmi1", "data", "arm.json"))
	if err == nil {
		err = json.Unmarshal(raw, &arm)
	}
	password, secret := filepath.Join(p.dir, "source.password"), filepath.Join(p.dir, "arm.secret")
	err = errors.Join(err, os.WriteFile(password, []byte(p.source.login.Password), 0o600), os.WriteFile(secret, []byte(arm.ClientSecret), 0o600))
	if err != nil {
		return nil, err
	}
	spec, err := link.ParseSpec(fmt.Appendf(nil, `source: {address: %s, port: %d, ca: %s, mirroringAddress: %s, mirroringPort: %d, user: sa, passwordFile: %s}
target: {instance: /subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1,
  endpoint: "https://localhost:%d", ca: %s, tenant: 00000000-0000-4000-8000-000000000001, clientId: 00000000-0000-4000-8000-000000000003,
  clientSecretFile: %s}
links: [{database: %s}]
`, p.source.login.Address, p.source.login.Port, p.source.login.CA, proxyIP, p.mirroring, password, p.arm, p.source.login.CA, secret, database))
	if err != nil {
		return nil, err
	}
	secrets, err := spec.Secrets(fsx.OS{}, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return link.Open(ctx, spec, secrets, fsx.OS{}, link.Options{Poll: 10 * time.Millisecond})
}
