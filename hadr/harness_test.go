package hadr_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// database is an entry of a node's registry; dir and restoring outlive restarts.
type database struct {
	name      string
	id        int
	restoring bool
	writable  bool
	db        *storage.DB
}

// node is one instance: a disk, documents, databases and a manager.
type node struct {
	*hadr.Manager
	t       *testing.T
	name    string
	managed bool
	disk    *fsx.Mem
	docs    *documents
	keeper  *trust.Keeper
	edit    func(*hadr.Options)
	real    string       // a directory on the real disk, instead of disk
	power   *power       // that dieAfter gave it
	forget  atomic.Bool  // the log that links want is not kept
	rescues atomic.Int64 // the rescue files made
	// endWriters is what Databases.EndWriters does.
	endWriters atomic.Pointer[func()]

	mu        sync.Mutex
	databases map[string]*database
	log       []*sqlerr.Error
}

func newNode(t *testing.T, name string, managed bool, edit func(*hadr.Options)) *node {
	t.Helper()
	n := &node{t: t, name: name, managed: managed, disk: fsx.NewMem(), docs: &documents{m: map[string]map[string][]byte{}}, databases: map[string]*database{}, edit: edit}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *node) start() {
	n.t.Helper()
	ctx := context.Background()
	var err error
	n.keeper, err = trust.OpenKeeper(ctx, trust.Options{Store: n.docs, Service: trust.ServiceKey{1}, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		n.t.Fatal(err)
	}
	o := hadr.Options{ServerName: n.name, Managed: n.managed, Collation: "SQL_Latin1_General_CP1_CI_AS", CollationTable: 1, Addresses: []netip.Addr{loopback},
		Store: n.docs, Keeper: n.keeper, Databases: registry{n}, ErrorLog: n.logged, JoinTimeout: time.Second,
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "nowhere.test" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{loopback}, nil
		}}
	if os.Getenv("HADR_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", n.name)
	}
	if n.managed {
		o.ShortName, _, _ = strings.Cut(n.name, ".")
	}
	if n.edit != nil {
		n.edit(&o)
	}
	if n.Manager, err = hadr.Open(ctx, o); err != nil {
		n.t.Fatal(err)
	}
	for _, d := range n.databases {
		if d.restoring {
			continue
		}
		if d.db, err = storage.Open(ctx, n.options(d.name)); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.Start(ctx); err != nil {
		n.t.Fatal(err)
	}
	if n.managed {
		if err := n.EnsureManaged(ctx, 0); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *node) stop() {
	n.t.Helper()
	if err := n.Close(); err != nil {
		n.t.Error(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.databases {
		if d.db != nil {
			if err := d.db.Close(); err != nil && !errors.Is(err, storage.ErrDamaged) {
				n.t.Error(err)
			}
			d.db = nil
		}
	}
}

// restart ends the instance and starts it from what it stored.
func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.start()
}

func (n *node) logged(e *sqlerr.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, e)
}

// logs reports whether the error log has a line with the text.
func (n *node) logs(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.log, func(e *sqlerr.Error) bool { return strings.Contains(e.Message, text) })
}

func (n *node) options(name string) storage.Options {
	if n.real != "" {
		return n.replicated(name, storage.Options{Dir: filepath.Join(n.real, strings.ToLower(name)), Name: name})
	}
	return n.replicated(name, storage.Options{FS: n.disk, Dir: filepath.Join("/", strings.ToLower(name)), Name: name, SegmentBytes: 256 << 10})
}

// replicated adds what the manager says of a database.
func (n *node) replicated(name string, o storage.Options) storage.Options {
	o.Retain = func() lsn.LSN {
		if n.forget.Load() {
			return lsn.Max
		}
		return n.Retain(name)
	}
	o.Harden = func(ctx context.Context, at lsn.LSN) error { return n.Harden(ctx, name, at) }
	o.Waits = func() bool { return n.Waits(name) }
	o.Fenced = func(c []storage.Control) bool { return n.Fenced(name, c) }
	if os.Getenv("HADR_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", n.name)
	}
	return o
}

// reopen opens a database's storage by itself.
func (n *node) reopen(name string) *storage.DB {
	n.t.Helper()
	o := n.options(name)
	o.Harden, o.Fenced, o.Retain = nil, nil, nil
	db, err := storage.Open(context.Background(), o)
	if err != nil {
		n.t.Fatal(err)
	}
	return db
}

func (n *node) find(name string) *database {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.databases[strings.ToLower(name)]
}

func (n *node) db(name string) *storage.DB {
	n.t.Helper()
	d := n.find(name)
	if d == nil || d.db == nil {
		n.t.Fatalf("database %q is not open on %s", name, n.name)
	}
	return d.db
}

// registry is the node's databases for its manager.
type registry struct{ n *node }

func (r registry) Facts(name string) (agcore.Facts, bool) {
	d := r.n.find(name)
	if d == nil {
		return agcore.Facts{}, false
	}
	return agcore.Facts{Name: d.name, Online: d.db != nil, FullRecovery: true, HasFullBackup: true}, true
}

func (r registry) Open(_ context.Context, name string) (*storage.DB, func(), error) {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	if d := r.n.databases[strings.ToLower(name)]; d != nil && d.db != nil {
		return d.db, func() {}, nil
	}
	return nil, nil, sqlerr.New(927, name)
}

func (r registry) CreateRestoring(_ context.Context, name string) (storage.Options, error) {
	if r.n.find(name) != nil {
		return storage.Options{}, sqlerr.New(1801, name)
	}
	r.n.add(name).restoring = true
	return r.n.options(name), nil
}

func (n *node) add(name string) *database {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &database{name: name, id: 5 + len(n.databases)}
	n.databases[strings.ToLower(name)] = d
	return d
}

func (r registry) RestoringOptions(_ context.Context, name string) (storage.Options, error) {
	if d := r.n.find(name); d == nil || !d.restoring {
		return storage.Options{}, sqlerr.New(911, name)
	}
	return r.n.options(name), nil
}

func (r registry) Online(_ context.Context, name string, db *storage.DB) error {
	d := r.n.find(name)
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	d.restoring, d.db = false, db
	return nil
}

func (r registry) Release(_ context.Context, name string) error {
	d := r.n.find(name)
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	d.writable = true
	return nil
}

func (r registry) Opening(string) {}

func (r registry) Reseed(_ context.Context, name string) (storage.Options, error) {
	r.n.mu.Lock()
	d := r.n.databases[strings.ToLower(name)]
	db := d.db
	d.restoring, d.db = true, nil
	r.n.mu.Unlock()
	if db != nil {
		db.Close() //nolint:errcheck // it is replaced
	}
	return r.n.options(name), nil
}

func (r registry) Inspect(name string) (*storage.DB, func(), error) {
	return r.Open(context.Background(), name)
}

func (r registry) PageOwners(ctx context.Context, name string, pages []uint32) map[uint32]string {
	names := map[uint32]string{}
	db, release, err := r.Inspect(name)
	if err != nil {
		return names
	}
	defer release()
	found, _ := db.PageOwners(ctx, pages) // what was found until an error counts
	for no, o := range found {
		names[no] = o.Part.String() + " of " + o.Name
	}
	return names
}

func (r registry) EndWriters(string) {
	if f := r.n.endWriters.Load(); f != nil {
		(*f)()
	}
}

func (r registry) Discard(_ context.Context, name string) error {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	delete(r.n.databases, strings.ToLower(name))
	return nil
}

func (r registry) ID(name string) int {
	if d := r.n.find(name); d != nil {
		return d.id
	}
	return 0
}

func (r registry) List() []string {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	var out []string
	for _, d := range r.n.databases {
		out = append(out, d.name)
	}
	return out
}

// create makes a database with a table and some rows.
func (n *node) create(name string, rows int) *storage.DB {
	n.t.Helper()
	d := n.add(name)
	db, err := storage.Create(n.t.Context(), n.options(name))
	if err != nil {
		n.t.Fatal(err)
	}
	d.db = db
	n.exec(name, "CREATE TABLE t_1(id INTEGER PRIMARY KEY, v TEXT)")
	if rows > 0 {
		n.exec(name, fmt.Sprintf("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < %d) INSERT INTO t_1(v) SELECT hex(randomblob(200)) FROM s", rows))
	}
	return db
}

// exec commits a statement and waits until it may be acknowledged.
func (n *node) exec(name, sql string) lsn.LSN {
	n.t.Helper()
	at, err := tryExec(n.t.Context(), n.db(name), sql)
	if err != nil {
		n.t.Fatal(err)
	}
	return at
}

func tryExec(ctx context.Context, db *storage.DB, sql string) (lsn.LSN, error) {
	w, err := db.Writer(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	defer w.Rollback()
	if err := w.Exec(sql); err != nil {
		return lsn.Zero, err
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	return at, db.WaitHardened(ctx, at)
}

// count is the rows that a new reader sees.
func (n *node) count(name string) int {
	n.t.Helper()
	c, err := n.db(name).Reader(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Release()
	st, err := c.Stmt("SELECT count(*) FROM t_1")
	if err != nil {
		n.t.Fatal(err)
	}
	if !st.Step() {
		n.t.Fatal(st.Err())
	}
	return st.ColumnInt(0)
}

// source makes a SQL Server with its endpoint, and target a managed instance.
func source(t *testing.T, edit func(*hadr.Options)) *node {
	t.Helper()
	n := newNode(t, "sqlserver1", false, edit)
	if err := n.keeper.CreateMasterKey(t.Context(), "Str0ng-enough"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "Cert_sqlserver1_endpoint", Subject: "Certificate for it"}); err != nil {
		t.Fatal(err)
	}
	err := n.CreateEndpoint(t.Context(), hadr.EndpointSpec{Name: "database_mirroring_endpoint", State: new(hadr.EndpointStarted), Port: new(0),
		Role: new(hadr.RoleAll), Auth: new(hadr.AuthCertificate), Certificate: "cert_sqlserver1_endpoint", Encryption: new(hadr.EncryptAES)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const targetFQDN = "sqlmi1.linkspan.test"

func target(t *testing.T) *node {
	t.Helper()
	return newNode(t, targetFQDN, true, nil)
}

// introduce imports each side's endpoint certificate on the other, the target's under the given name.
func introduce(t *testing.T, s, m *node, name string) {
	t.Helper()
	der, err := m.EndpointCertificate(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.ImportCertificate(t.Context(), name, der); err != nil {
		t.Fatal(err)
	}
	if der, err = s.EndpointCertificate(4); err != nil {
		t.Fatal(err)
	}
	if _, err := m.keeper.ImportCertificate(t.Context(), "Cert_sqlserver1_endpoint", der); err != nil {
		t.Fatal(err)
	}
}

// group makes AG_x and DAG_x on the source for database x.
func group(t *testing.T, s *node, name string) {
	t.Helper()
	spec := agcore.GroupSpec{Name: "AG_" + name, Databases: []string{name}, OptionSpec: agcore.OptionSpec{ClusterType: new(agcore.ClusterNone)},
		Replicas: []agcore.ReplicaSpec{{Name: "SQLSERVER1", EndpointURL: new("TCP://127.0.0.1:5022"), Mode: new(agcore.Synchronous),
			Failover: new(agcore.FailoverManual), Seeding: new(agcore.SeedingAutomatic)}}}
	if _, err := s.CreateGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	distributed(t, s, name)
}

// distributed makes DAG_x of AG_x.
func distributed(t *testing.T, s *node, name string) {
	t.Helper()
	m := agcore.MemberSpec{Name: "AG_" + name, ListenerURL: new("TCP://127.0.0.1:5022"), Mode: new(agcore.Asynchronous), Failover: new(agcore.FailoverManual),
		Seeding: new(agcore.SeedingAutomatic), SessionTimeout: new(20)}
	r := m
	r.Name, r.ListenerURL = "sqlmi1", new("tcp://"+targetFQDN+":5022;Server=[sqlmi1]")
	if _, err := s.CreateDistributed(t.Context(), agcore.DistributedSpec{Name: "DAG_" + name, Distributed: true, Members: []agcore.MemberSpec{m, r}}); err != nil {
		t.Fatal(err)
	}
}

func spec(name, endpoint string) hadr.LinkSpec {
	return hadr.LinkSpec{Name: "DAG_" + name, Database: name, SourceEndpoint: endpoint, PartnerGroup: "AG_" + name, OwnGroup: "sqlmi1"}
}

func (n *node) url() string {
	e, _ := n.Endpoint()
	return fmt.Sprintf("TCP://127.0.0.1:%d", e.Port)
}

// eventually waits until f holds, looking again and again.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("does not come about: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func inPhase(n *node, link string, p agcore.Phase) func() bool {
	return func() bool {
		s, ok := n.Link(link)
		if os.Getenv("HADR_TEST_LOG") == "2" && (!ok || s.Phase != p) {
			fmt.Printf("%s %+v\n", n.name, s)
		}
		return ok && s.Phase == p
	}
}

// caughtUp waits until the copy shows what the source shows, and compares the digests.
func caughtUp(t *testing.T, s, m *node, name string) {
	t.Helper()
	at, want := s.db(name).Digest()
	eventually(t, "the copy shows "+at.String(), func() bool { d := m.find(name); return d != nil && d.db != nil && !m.db(name).Published().Less(at) })
	got, digest := m.db(name).Digest()
	if got == at && digest != want {
		t.Fatalf("digests at %v differ: %x and %x", at, want, digest)
	}
}

func (n *node) address() string { return strings.TrimPrefix(n.url(), "TCP://") }
