package link_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"linkspan/armtypes"
	"linkspan/link"
	"linkspan/link/flow"
	"linkspan/sqlerr"
)

var instance = armtypes.InstanceID{Subscription: "sub", ResourceGroup: "rg", Name: "sqlmi1"}

const fqdn = "sqlmi1.linkspan.test"

// key is made once: every certificate of the tests uses it.
var key = func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func makeCert(name string) []byte {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotAfter: time.Unix(1e10, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return der
}

type group struct {
	distributed bool
	database    string
	members     []string
}

type cert struct {
	der     []byte
	own     bool
	expires time.Time
}

// world is a SQL Server and a managed instance that behave, as far as the table of steps can tell, and refuse what comes
// in the wrong order. It can be made to die at any call, before or after its effect.
type world struct {
	t          *testing.T
	masterKey  bool
	certs      map[string]cert
	endpoint   flow.Row
	chain      bool
	groups     map[string]group
	database   flow.Row
	source     flow.Row
	trust      map[string][]byte
	partner    []byte
	link       *armtypes.LinkSpec
	linkState  string
	polls      int // how often the database was looked at since the link
	collation  string
	neverJoins bool
	failover   roles
	foreign    string // a database of the instance's own

	calls    int
	killAt   int
	killLate bool
	kill     context.CancelFunc
	fail     map[int]error // by call, instead of the effect
	did      []string      // the actions
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, certs: map[string]cert{}, groups: map[string]group{}, trust: map[string][]byte{}, fail: map[int]error{},
		partner: makeCert(fqdn), collation: "SQL_Latin1_General_CP1_CI_AS",
		source:   flow.Row{"name": "sqlserver1", "collation": "SQL_Latin1_General_CP1_CI_AS", "hadr": int64(1), "version": "16"},
		database: flow.Row{"database_id": int64(5), "name": "db1", "state_desc": "ONLINE", "recovery_model_desc": "FULL"},
	}
}

func (w *world) spec() flow.Spec {
	return flow.Spec{Database: "db1", Instance: instance, SourceHost: "10.0.0.4", MasterKeyPassword: "Pa$$w0rd'!", CertificateExpires: time.Now().AddDate(1, 0, 0)}
}

func (w *world) linker(events ...func(link.Event)) *link.Linker {
	o := link.Options{Poll: time.Microsecond}
	if len(events) > 0 {
		o.Events = events[0]
	}
	return link.New(w, w, o)
}

// call counts a call and runs f unless the world dies here.
func (w *world) call(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.calls++
	if err := w.fail[w.calls]; err != nil {
		return err
	}
	if w.calls != w.killAt {
		return f()
	}
	if w.killLate {
		_ = f()
	}
	w.kill()
	return context.Canceled
}

// Query implements link.Source.
func (w *world) Query(ctx context.Context, text string, args ...any) (rows []flow.Row, err error) {
	err = w.call(ctx, func() error {
		if strings.HasPrefix(text, "SELECT") {
			rows, err = w.see(text, args)
			return err
		}
		w.did = append(w.did, text)
		return w.change(text)
	})
	return rows, err
}

func (w *world) see(text string, args []any) ([]flow.Row, error) {
	arg := func(i int) string { return args[i].(string) }
	switch {
	case strings.Contains(text, "SERVERPROPERTY"):
		return []flow.Row{w.source}, nil
	case text == flow.LogReuse:
		return []flow.Row{{"log_reuse_wait_desc": "NOTHING"}}, nil
	case strings.Contains(text, "FROM sys.databases"):
		if w.database == nil || !strings.EqualFold(w.database.Text("name"), arg(0)) {
			return nil, nil
		}
		return []flow.Row{w.database}, nil
	case strings.Contains(text, "database_mirroring_endpoints"):
		if w.endpoint == nil {
			return nil, nil
		}
		return []flow.Row{w.endpoint}, nil
	case strings.Contains(text, "symmetric_keys"):
		return some(w.masterKey, flow.Row{"name": "##MS_DatabaseMasterKey##"}), nil
	case strings.Contains(text, "FROM sys.certificates"):
		c, ok := w.certs[arg(0)]
		kind := "NA"
		if c.own {
			kind = "MK"
		}
		return some(ok, flow.Row{"name": arg(0), "pvt_key_encryption_type": kind, "expiry_date": c.expires}), nil
	case strings.Contains(text, "CERTENCODED"):
		c, ok := w.certs[arg(0)]
		if !ok {
			return []flow.Row{{"public_key": nil}}, nil
		}
		return []flow.Row{{"public_key": c.der}}, nil
	case strings.Contains(text, "database_recovery_status"):
		r := flow.Row{"last_log_backup_lsn": nil}
		if w.chain {
			r["last_log_backup_lsn"] = "37000000012300001"
		}
		return []flow.Row{r}, nil
	}
	return w.seeGroups(text, arg)
}

func (w *world) seeGroups(text string, arg func(int) string) ([]flow.Row, error) {
	switch {
	case text == flow.RemoteReplica:
		g, ok := w.groups[arg(0)]
		if !ok || !g.distributed {
			return nil, nil
		}
		r := flow.Row{"connected_state_desc": "DISCONNECTED", "synchronization_health_desc": "NOT_HEALTHY"}
		if w.link != nil && !w.neverJoins {
			r = flow.Row{"connected_state_desc": "CONNECTED", "synchronization_health_desc": "HEALTHY"}
		}
		if w.neverJoins {
			r["last_connect_error_number"], r["last_connect_error_description"] = int64(35250), "no connection"
		}
		return []flow.Row{r}, nil
	case w.failover.knows(text):
		return w.seeRoles(text), nil
	case text == flow.LocalRole:
		return some(w.groups[arg(0)].distributed, flow.Row{"role_desc": "PRIMARY"}), nil
	case text == flow.DatabaseStates:
		return []flow.Row{{"is_local": false, "synchronization_state_desc": "SYNCHRONIZING", "secondary_lag_seconds": int64(0)}}, nil
	case text == flow.LinkFacts:
		return nil, raise(208, "Invalid object name 'sys.dm_linkspan_links'.")
	case text == flow.Seeding:
		return []flow.Row{{"current_state": "SEEDING"}}, nil
	case strings.Contains(text, "is_distributed = 0"):
		var rows []flow.Row
		for n, g := range w.groups {
			if !g.distributed && (n == arg(0) || g.database == arg(1)) {
				rows = append(rows, flow.Row{"ag": n, "db": g.database})
			}
		}
		return rows, nil
	case strings.Contains(text, "FROM sys.availability_groups"):
		g, ok := w.groups[arg(0)]
		row := flow.Row{"name": arg(0), "is_distributed": g.distributed}
		if !ok || !strings.Contains(text, "availability_replicas") {
			return some(ok, row), nil
		}
		var rows []flow.Row
		for _, m := range g.members {
			rows = append(rows, flow.Row{"name": arg(0), "is_distributed": g.distributed, "replica_server_name": m})
		}
		return rows, nil
	}
	w.t.Errorf("unknown query: %s", text)
	return nil, errors.New("unknown query")
}

func some(ok bool, r flow.Row) []flow.Row {
	if ok {
		return []flow.Row{r}
	}
	return nil
}

func raise(number int32, text string) error { return sqlerr.Raise(number, 16, 1, text) }

// bracketed reads the quoted name that follows prefix.
func bracketed(text, prefix string) string {
	_, rest, ok := strings.Cut(text, prefix+"[")
	if !ok {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == ']' {
			if i+1 >= len(rest) || rest[i+1] != ']' {
				break
			}
			i++
		}
		b.WriteByte(rest[i])
	}
	return b.String()
}

func (w *world) change(text string) error {
	switch {
	case strings.HasPrefix(text, "CREATE MASTER KEY ENCRYPTION BY PASSWORD = N'"):
		if w.masterKey {
			return raise(15578, "There is already a master key in the database.")
		}
		w.masterKey = true
	case strings.HasPrefix(text, "CREATE CERTIFICATE "):
		return w.createCertificate(text)
	case strings.HasPrefix(text, "DROP CERTIFICATE "):
		n := bracketed(text, "DROP CERTIFICATE ")
		if _, ok := w.certs[n]; !ok {
			return raise(15151, "Cannot drop the certificate.")
		}
		delete(w.certs, n)
	case strings.HasPrefix(text, "CREATE ENDPOINT "), strings.HasPrefix(text, "ALTER ENDPOINT "):
		return w.setEndpoint(text)
	case strings.HasPrefix(text, "BACKUP DATABASE [db1] TO DISK = N'NUL'"):
		w.chain = true
	case strings.HasPrefix(text, "ALTER AVAILABILITY GROUP "):
		return w.alterGroup(text)
	case strings.HasPrefix(text, "CREATE AVAILABILITY GROUP "):
		return w.createGroup(text)
	case strings.HasPrefix(text, "DROP AVAILABILITY GROUP "):
		n := bracketed(text, "DROP AVAILABILITY GROUP ")
		if _, ok := w.groups[n]; !ok {
			return raise(15151, "Cannot drop the availability group.")
		}
		delete(w.groups, n)
	default:
		w.t.Errorf("unknown statement: %s", text)
	}
	return nil
}

func (w *world) createCertificate(text string) error {
	n := bracketed(text, "CREATE CERTIFICATE ")
	if _, ok := w.certs[n]; ok {
		return raise(15232, "A certificate with the name exists.")
	}
	if _, blob, ok := strings.Cut(text, " FROM BINARY = 0x"); ok {
		der, err := hex.DecodeString(blob)
		if err != nil {
			w.t.Errorf("not a binary literal: %s", text)
		}
		w.certs[n] = cert{der: der, expires: time.Unix(1e10, 0)}
		return nil
	}
	if !w.masterKey {
		return raise(15581, "Please create a master key in the database.")
	}
	w.certs[n] = cert{der: makeCert(n), own: true, expires: time.Unix(1e10, 0)}
	return nil
}

func (w *world) setEndpoint(text string) error {
	c := bracketed(text, "CERTIFICATE ")
	if strings.HasPrefix(text, "CREATE") {
		if w.endpoint != nil {
			return raise(7862, "An endpoint of the requested type already exists.")
		}
		w.endpoint = flow.Row{"name": bracketed(text, "CREATE ENDPOINT "), "port": int64(5022)}
	}
	if c != "" {
		if own, ok := w.certs[c]; !ok || !own.own {
			return raise(15151, "Cannot find the certificate.")
		}
		auth := "CERTIFICATE"
		if strings.Contains(text, "WINDOWS NEGOTIATE") {
			auth = "NEGOTIATE, CERTIFICATE"
		}
		w.endpoint["certificate"], w.endpoint["connection_auth_desc"] = c, auth
		w.endpoint["is_encryption_enabled"], w.endpoint["encryption_algorithm_desc"] = true, "AES"
	}
	w.endpoint["state_desc"] = "STARTED"
	return nil
}

func (w *world) createGroup(text string) error {
	n := bracketed(text, "CREATE AVAILABILITY GROUP ")
	if _, ok := w.groups[n]; ok {
		return raise(41106, "The group exists.")
	}
	if !strings.Contains(text, "(DISTRIBUTED)") {
		if !w.chain {
			return raise(1475, "no full backup")
		}
		w.groups[n] = group{database: bracketed(text, "FOR DATABASE ")}
		return nil
	}
	var members []string
	for _, part := range strings.Split(text, " WITH (LISTENER_URL")[:2] {
		text := strings.TrimSuffix(part[strings.LastIndex(part, " N'")+3:], "'")
		members = append(members, strings.ReplaceAll(text, "''", "'"))
	}
	if _, ok := w.groups[members[0]]; !ok {
		return raise(19501, "None of the groups is local.")
	}
	w.groups[n] = group{distributed: true, members: members}
	return nil
}

// Instance implements link.Management.
func (w *world) Instance(ctx context.Context, _ armtypes.InstanceID) (mi armtypes.ManagedInstance, err error) {
	err = w.call(ctx, func() error {
		mi.Properties = armtypes.ManagedInstanceProperties{FullyQualifiedDomainName: fqdn, State: "Ready", Collation: w.collation}
		return nil
	})
	return mi, err
}

// Databases implements link.Management.
func (w *world) Databases(ctx context.Context, _ armtypes.InstanceID) (out []armtypes.ManagedDatabase, err error) {
	err = w.call(ctx, func() error {
		if w.foreign != "" {
			out = append(out, armtypes.ManagedDatabase{Resource: armtypes.Resource{Name: w.foreign}, Properties: armtypes.ManagedDatabaseProperties{Status: "Online"}})
		}
		if w.link == nil {
			return nil
		}
		d := armtypes.ManagedDatabase{Resource: armtypes.Resource{Name: w.link.Databases[0]}, Properties: armtypes.ManagedDatabaseProperties{Status: "Restoring"}}
		if w.polls++; w.polls > 2 {
			d.Properties.Status = "Online"
		}
		out = append(out, d)
		return nil
	})
	return out, err
}

// TrustCertificates implements link.Management.
func (w *world) TrustCertificates(ctx context.Context, _ armtypes.InstanceID) (out []armtypes.ServerTrustCertificate, err error) {
	err = w.call(ctx, func() error {
		for n, der := range w.trust {
			out = append(out, armtypes.ServerTrustCertificate{Resource: armtypes.Resource{Name: n}, Properties: armtypes.ServerTrustCertificateProperties{PublicBlob: armtypes.BareBlob(der)}})
		}
		return nil
	})
	return out, err
}

// PutTrustCertificate implements link.Management.
func (w *world) PutTrustCertificate(ctx context.Context, _ armtypes.InstanceID, name string, c *x509.Certificate) error {
	return w.call(ctx, func() error {
		w.did = append(w.did, "PUT trust "+name)
		if old, ok := w.trust[name]; ok && string(old) != string(c.Raw) {
			return &armtypes.Error{Status: http.StatusConflict, Code: "Conflict", Message: "the name is taken"}
		}
		w.trust[name] = c.Raw
		return nil
	})
}

// EndpointCertificate implements link.Management.
func (w *world) EndpointCertificate(ctx context.Context, _ armtypes.InstanceID) (c *x509.Certificate, err error) {
	err = w.call(ctx, func() error {
		c, err = armtypes.ParseCertificate(w.partner)
		return err
	})
	return c, err
}

// Links implements link.Management.
func (w *world) Links(context.Context, armtypes.InstanceID) ([]armtypes.Link, error) { return nil, nil }

// Link implements link.Management.
func (w *world) Link(ctx context.Context, _ armtypes.InstanceID, name string) (l armtypes.Link, err error) {
	err = w.call(ctx, func() error {
		if w.link == nil || w.link.Name != name {
			return fmt.Errorf("read link: %w", &armtypes.Error{Status: http.StatusNotFound, Code: "ResourceNotFound"})
		}
		l = armtypes.Link{LinkSpec: *w.link, State: w.linkState, DatabaseStates: []armtypes.LinkDatabase{{Name: w.link.Databases[0], SeedingProgress: strconv.Itoa(w.polls)}}}
		w.failover.show(&l)
		return nil
	})
	return l, err
}

// PutLink implements link.Management.
func (w *world) PutLink(ctx context.Context, _ armtypes.InstanceID, s armtypes.LinkSpec) error {
	return w.call(ctx, func() error {
		w.did = append(w.did, "PUT link "+s.Name)
		trusted := false
		for _, der := range w.trust {
			trusted = trusted || w.endpoint != nil && string(der) == string(w.certs[w.endpoint.Text("certificate")].der)
		}
		switch {
		case !w.groups[s.Name].distributed:
			return &armtypes.Error{Code: "41976", Message: "no answer from the availability group"}
		case !trusted:
			return &armtypes.Error{Code: "41973", Message: "the partner's certificate is missing"}
		case string(w.certs[fqdn].der) != string(w.partner):
			return &armtypes.Error{Code: "41974", Message: "the instance's certificate is missing on the partner"}
		}
		w.link, w.linkState, w.polls = &s, armtypes.LinkSynchronizing, 0
		return nil
	})
}

// FailoverLink implements link.Management.
func (w *world) FailoverLink(ctx context.Context, _ armtypes.InstanceID, name, failoverType string) error {
	return w.call(ctx, func() error {
		w.did = append(w.did, failoverType+" failover "+name)
		return w.turn(failoverType == armtypes.ForcedAllowDataLoss)
	})
}

// DeleteLink implements link.Management.
func (w *world) DeleteLink(ctx context.Context, _ armtypes.InstanceID, name string) error {
	return w.call(ctx, func() error {
		w.did = append(w.did, "DELETE link "+name)
		w.link = nil
		return nil
	})
}
