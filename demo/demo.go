package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"linkspan/daemon"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/sqlclient"
)

// Options say how the tour runs.
type Options struct {
	// From is a backup file to restore and link in place of the sample database, SQL Server's own or ours; "" for the
	// sample.
	From string
	// Dir holds the sandbox; "" means a temporary folder that is removed unless Keep.
	Dir  string
	Keep bool
	// Out is where the tour is told.
	Out io.Writer
	// Log receives the servers' warnings; nil discards.
	Log *slog.Logger
}

// database and table are what is linked and loaded.
const (
	database = "Harbour"
	table    = "dbo.Ticks"
)

// tour is one run.
type tour struct {
	Options
	began          time.Time
	sandbox        *daemon.Sandbox
	database       string // what is linked
	ready          daemon.SandboxReady
	source, target *sqlclient.Client // both in the database, but the target's in master
}

// Run takes the tour. An error says which step failed; everything that was started is stopped again.
func Run(ctx context.Context, o Options) (err error) {
	t := &tour{Options: o, began: clock.System.Now(), database: database}
	if t.Dir == "" {
		if t.Dir, err = os.MkdirTemp("", "linkspan-demo-"); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, t.close()) }()
	steps := t.steps()
	if o.From != "" {
		steps = t.stepsFrom()
	}
	for _, step := range steps {
		t.say("%s", step.title)
		start := clock.System.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		t.tell("done in %s", round(clock.System.Now().Sub(start)))
	}
	t.say("everything shown worked as it should")
	return nil
}

// step is one part of the tour.
type step struct {
	title string
	run   func(context.Context) error
}

// steps are those with the sample database.
func (t *tour) steps() []step {
	return []step{
		{"start the sandbox: sqlserver1, the managed instance sqlmi1, its ARM endpoint", t.start},
		{"make the sample database " + database + " on sqlserver1", t.makeDatabase},
		{"link it to sqlmi1 by the T-SQL and REST calls a DBA would make", t.link},
		{fmt.Sprintf("load sqlserver1 (%d transactions, %d a second) and watch the copy on sqlmi1", loadTransactions, loadRate), t.load},
		{"try to write to the copy", t.writeToCopy},
		{"compare both sides: each computes the digest from its own pages", t.prove},
		{"flip one byte in a clone of a database's files, and check the clone", t.flip},
		{fmt.Sprintf("move the primary to sqlmi1 and back by planned failovers, while %d clients write", turnWriters), t.failover},
	}
}

// say begins a step, tell adds a line to it.
func (t *tour) say(format string, args ...any) {
	fmt.Fprintf(t.Out, "%7s  %s\n", seconds(clock.System.Now().Sub(t.began)), fmt.Sprintf(format, args...))
}

func (t *tour) tell(format string, args ...any) {
	fmt.Fprintf(t.Out, "         · %s\n", fmt.Sprintf(format, args...))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// round shows a duration to three digits.
func round(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}

func (t *tour) start(ctx context.Context) error {
	o := daemon.DefaultSandbox(t.Dir)
	o.SQLPort, o.MirroringPort, o.ARMPort = 0, 0, 0 // nobody else's ports are in the way
	var err error
	if t.sandbox, err = daemon.StartSandbox(ctx, o, t.Log); err != nil {
		return err
	}
	for _, n := range t.sandbox.Notes {
		t.tell("note: %s", n)
	}
	t.ready = t.sandbox.Ready()
	t.tell("sqlserver1 at %s,%d; sqlmi1 at %s,%d; ARM at %s", t.ready.Source.Address, t.ready.Source.Port, t.ready.Target.Address, t.ready.Target.Port, t.ready.ARM.URL)
	return nil
}

// connect logs in to a server of the sandbox, as any client: encrypted, the certificate checked.
func (t *tour) connect(ctx context.Context, s daemon.SandboxServer, in string) (*sqlclient.Client, error) {
	var creds struct {
		Source, Target struct{ User, Password string }
	}
	b, err := os.ReadFile(t.ready.Credentials)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &creds); err != nil {
		return nil, fmt.Errorf("read %s: it is not the JSON it should be", t.ready.Credentials)
	}
	ca, err := os.ReadFile(t.ready.ARM.CA)
	if err != nil {
		return nil, err
	}
	who := creds.Source
	if s.Name == t.ready.Target.Name {
		who = creds.Target
	}
	return sqlclient.Open(ctx, sqlclient.Target{Address: s.Address, Port: s.Port, User: who.User, Password: who.Password, Database: in, CA: ca})
}

// schema is the sample: a few tables with what tables have.
var schema = []string{
	`CREATE TABLE dbo.Ports (
	PortID int NOT NULL CONSTRAINT PK_Ports PRIMARY KEY,
	Name nvarchar(60) NOT NULL CONSTRAINT UQ_Ports UNIQUE,
	Berths smallint NOT NULL CONSTRAINT CK_Berths CHECK (Berths > 0))`,
	`CREATE TABLE dbo.Crossings (
	CrossingID int IDENTITY(1,1) CONSTRAINT PK_Crossings PRIMARY KEY,
	FromPort int NOT NULL, ToPort int NOT NULL,
	Departs datetime2(0) NOT NULL, Fare decimal(9,2) NOT NULL DEFAULT 25, Remark nvarchar(200) NULL)`,
	`CREATE INDEX IX_Departs ON dbo.Crossings (Departs)`,
	`CREATE TABLE ` + table + ` (
	Id bigint NOT NULL CONSTRAINT PK_Ticks PRIMARY KEY, Quantity int NOT NULL, Note varchar(60) NOT NULL, Price float NOT NULL)`,
	`INSERT INTO dbo.Ports (PortID, Name, Berths) VALUES (1, N'Ærøskøbing', 2), (2, N'Dún Laoghaire', 4), (3, N'長崎', 9), (4, N'Rødby', 6)`,
	`DECLARE @i int = 0
WHILE @i < 2000
BEGIN
	INSERT INTO dbo.Crossings (FromPort, ToPort, Departs, Fare, Remark)
	VALUES (@i % 4 + 1, (@i + 1) % 4 + 1, DATEADD(hour, @i, '2026-01-01'), 20 + @i % 50, REPLICATE(N'~', @i % 100))
	SET @i += 1
END`,
}

func (t *tour) makeDatabase(ctx context.Context) error {
	master, err := t.connect(ctx, t.ready.Source, "master")
	if err != nil {
		return err
	}
	defer func() { _ = master.Close() }() // only spoken to
	if _, err := master.Query(ctx, "CREATE DATABASE "+sqlclient.QuoteName(database)); err != nil {
		return err
	}
	if t.source, err = t.connect(ctx, t.ready.Source, database); err != nil {
		return err
	}
	for _, s := range schema {
		if _, err := t.source.Query(ctx, s); err != nil {
			return err
		}
	}
	t.tell("tables Ports, Crossings and Ticks with keys, checks, defaults and an index; 2,004 rows")
	return nil
}

// link makes the link through the orchestrator, telling each of its steps.
func (t *tour) link(ctx context.Context) error {
	if err := os.WriteFile(t.specFile(), []byte(t.spec()), 0o600); err != nil {
		return err
	}
	spec, secrets, err := t.linkSpec()
	if err != nil {
		return err
	}
	s, err := link.Open(ctx, spec, secrets, fsx.OS{}, link.Options{Events: t.event, Poll: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // only spoken to
	if t.Keep {
		t.tell("the same by hand: linkspan link create -f %s", t.specFile())
	}
	return s.CreateAll(ctx)
}

// linkSpec reads the spec as the command line does.
func (t *tour) linkSpec() (link.Spec, link.Secrets, error) {
	spec, err := link.ParseSpec([]byte(t.spec()))
	if err == nil {
		err = spec.Validate()
	}
	if err != nil {
		return spec, link.Secrets{}, err
	}
	secrets, err := spec.Secrets(fsx.OS{}, func(string) string { return "" })
	return spec, secrets, err
}

func (t *tour) specFile() string { return filepath.Join(t.Dir, "link.yaml") }

// spec is the link as a user would write it.
func (t *tour) spec() string {
	r := t.ready
	return fmt.Sprintf(`source:
  address: %s
  port: %d
  ca: %s
  mirroringPort: %d
target:
  instance: /subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/managedInstances/%s
  endpoint: %s
  ca: %s
  mirroringPort: %d
  sql:
    address: %s
    port: %d
    host: %s
    ca: %s
credentials: %s
links:
  - database: %s
`, r.Source.Address, r.Source.Port, r.ARM.CA, r.Source.MirroringPort, r.ARM.Subscription, r.ARM.ResourceGroup, r.Target.Name, r.ARM.URL, r.ARM.CA,
		r.Target.MirroringPort, r.Target.Address, r.Target.Port, r.Target.FQDN, r.ARM.CA, r.Credentials, strconv.Quote(t.database))
}

// longHex is a literal that nobody reads, such as a certificate.
var longHex = regexp.MustCompile(`0x[0-9A-Fa-f]{48,}`)

func shorten(hex string) string { return fmt.Sprintf("%s… (%d bytes)", hex[:18], len(hex)/2-1) }

// event tells what the orchestrator did: the step, how long it took, and the statement it ran.
func (t *tour) event(e link.Event) {
	switch e.Kind {
	case link.Acting:
		t.tell("    %s", longHex.ReplaceAllStringFunc(strings.Join(strings.Fields(e.Text), " "), shorten))
	case link.Did, link.Skipped, link.Failed:
		t.tell("%-8s %s (%s)", e.Kind, e.Title, round(e.Elapsed))
	}
}

func (t *tour) load(ctx context.Context) error {
	var err error
	if t.target, err = t.connect(ctx, t.ready.Target, database); err != nil {
		return err
	}
	lag, err := MeasureLag(ctx, t.source, t.target, Load{Table: table, First: 1, Transactions: loadTransactions, Rate: loadRate})
	if err != nil {
		return err
	}
	t.tell("%d transactions in %s; each was seen by a query on the copy after its acknowledgement by", lag.Transactions, round(lag.Took))
	t.tell("p50 %s   p95 %s   p99 %s   max %s", round(lag.P50), round(lag.P95), round(lag.P99), round(lag.Max))
	return nil
}

func (t *tour) writeToCopy(ctx context.Context) error {
	_, err := t.target.Query(ctx, "DELETE FROM "+table)
	if err == nil {
		return errors.New("the copy took a write")
	}
	t.tell("refused: %v", err)
	return nil
}

func (t *tour) prove(ctx context.Context) error {
	s, c, err := compare(ctx, t.source, t.target, database)
	if err != nil {
		return err
	}
	t.tell("sqlserver1  LSN %s  digest %s  (%d pages)", s.lsn, s.digest, s.pages)
	t.tell("sqlmi1      LSN %s  digest %s  (%d pages)", c.lsn, c.digest, c.pages)
	if s.digest != c.digest {
		return errors.New("the digests differ: the copy is not equal to its source")
	}
	for _, side := range []struct {
		name   string
		client *sqlclient.Client
	}{{t.ready.Source.Name, t.source}, {t.ready.Target.Name, t.target}} {
		r, err := side.client.Query(ctx, "SELECT (SELECT COUNT(*) FROM "+table+") + (SELECT COUNT(*) FROM dbo.Crossings) + (SELECT COUNT(*) FROM dbo.Ports) AS n")
		if err != nil {
			return err
		}
		t.tell("%-10s  %v rows", side.name, r.First().Rows[0][0])
	}
	t.tell("equal")
	return nil
}

// flip damages a clone of a database's files: of one that is offline, whose files are at rest.
func (t *tour) flip(ctx context.Context) error {
	before, err := t.folders()
	if err != nil {
		return err
	}
	const spare = "Spare"
	for _, text := range []string{"CREATE DATABASE " + spare, "USE " + spare + "; CREATE TABLE Rows (Id int PRIMARY KEY, Filler char(2000)); " +
		"DECLARE @i int = 0; WHILE @i < 200 BEGIN INSERT Rows VALUES (@i, 'x'); SET @i += 1 END; USE " + database, "ALTER DATABASE " + spare + " SET OFFLINE"} {
		if _, err := t.source.Query(ctx, text); err != nil {
			return err
		}
	}
	after, err := t.folders()
	if err != nil {
		return err
	}
	folder := ""
	for _, f := range after {
		if !slices.Contains(before, f) {
			folder = f
		}
	}
	if folder == "" {
		return errors.New("the new database has no folder")
	}
	clone := filepath.Join(t.Dir, "clone")
	file, offset, said, err := sabotage(ctx, folder, clone)
	if err != nil {
		return err
	}
	t.tell("flipped a bit at offset %d of %s", offset, filepath.Base(file))
	t.tell("found: %s", said)
	return nil
}

// folders are those of sqlserver1's databases.
func (t *tour) folders() ([]string, error) {
	return filepath.Glob(filepath.Join(t.Dir, daemon.SandboxSource, "databases", "*"))
}

// stop ends the clients and the sandbox. Idempotent.
func (t *tour) stop() error {
	var errs []error
	for _, c := range []*sqlclient.Client{t.source, t.target} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if t.sandbox != nil {
		errs = append(errs, t.sandbox.Stop())
	}
	t.source, t.target, t.sandbox = nil, nil, nil
	return errors.Join(errs...)
}

func (t *tour) close() error {
	err := t.stop()
	if t.Keep {
		t.tell("the sandbox is kept in %s", t.Dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(t.Dir))
}
