package systest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// The first seed's document: every T-SQL block in order, through two real clients, and its two requests; after each
// step what the document says is seen then. Ten databases, ten links.
func TestSeedDocument(t *testing.T) {
	text := seedText(t, "000_eab359f14746eb62.txt")
	for _, c := range []harness.Client{harness.GoClient{}, harness.TSQL{Dir: t.TempDir()}} {
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			runSeed(t, text, c)
		})
	}
}

const (
	seedLinks      = 10
	seedExpiry     = "03/30/2025" // as the document has it; in the past
	seedFreshYears = 3
)

type seedRun struct {
	*site
	t      *testing.T
	client harness.Client
	values map[string]string
	sql    []string // the document's T-SQL blocks
	rest   []string // its PowerShell blocks
}

func runSeed(t *testing.T, text string, c harness.Client) {
	blocks, err := harness.Blocks(text)
	if err != nil {
		t.Fatal(err)
	}
	r := &seedRun{site: startSite(t), t: t, client: c}
	for _, b := range blocks {
		switch b.Lang {
		case "sql":
			r.sql = append(r.sql, strings.ReplaceAll(b.Text, seedExpiry, time.Now().AddDate(seedFreshYears, 0, 0).Format("01/02/2006")))
		case "powershell":
			r.rest = append(r.rest, b.Text)
		}
	}
	if len(r.sql) != 17 || len(r.rest) != 2 {
		t.Fatalf("the document has %d T-SQL and %d PowerShell blocks, want 17 and 2", len(r.sql), len(r.rest))
	}
	r.values = map[string]string{
		"strong_password": "Str0ng!Pass-phrase'' of the master key", "SQLManagedInstanceFQDN": r.fqdn, "ManagedInstanceFQDN": r.fqdn,
		"ManagedInstnaceFQDN": r.fqdn, "ManagedInstanceName": "sqlmi1", "SQLServerName": "sqlserver1", "SQLServerIP": r.source.Address,
		"SQL_SERVER_CERTIFICATE": "Cert_sqlserver1_endpoint", "CERTIFICATE-NAME": "Cert_sqlserver1_endpoint",
		"YourExistingEndpointName": "database_mirroring_endpoint",
	}
	r.makeDatabases()
	r.trust()
	r.endpoint()
	r.links()
}

// block runs one of the document's blocks and fails the test on any error message.
func (r *seedRun) block(l harness.Login, n int) []harness.Result {
	r.t.Helper()
	script, err := harness.Fill(r.sql[n], r.values)
	if err != nil {
		r.t.Fatalf("block %d: %v", n, err)
	}
	return r.run(l, fmt.Sprintf("block %d", n), script)
}

func (r *seedRun) run(l harness.Login, what, script string) []harness.Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	results, messages, err := r.client.Run(ctx, l, script)
	if err != nil || len(messages) > 0 {
		r.t.Fatalf("%s: %v %v\n%s", what, err, messages, script)
	}
	return results
}

// one fails the test unless there is one result set, and returns it.
func (r *seedRun) one(results []harness.Result, rows int) harness.Result {
	r.t.Helper()
	if len(results) != 1 || rows >= 0 && len(results[0].Rows) != rows {
		r.t.Fatalf("got %v, want one result set of %d rows", results, rows)
	}
	return results[0]
}

func (r *seedRun) want(res harness.Result, column, want string) {
	r.t.Helper()
	if got, err := res.Value(column); err != nil || got != want {
		r.t.Fatalf("%s = %q, %v, want %q in %v", column, got, err, want, res)
	}
}

func (r *seedRun) makeDatabases() {
	r.t.Helper()
	var b strings.Builder
	for i := range seedLinks {
		fmt.Fprintf(&b, "CREATE DATABASE [%[1]s]\nGO\nUSE [%[1]s]\nCREATE TABLE dbo.t (id int IDENTITY PRIMARY KEY, s nvarchar(400) NOT NULL)\n"+
			"INSERT INTO dbo.t (s) VALUES (N'%[1]s, first row')\nGO\n", r.database(i))
	}
	// The first is large enough for its seeding to be seen.
	fmt.Fprintf(&b, "USE [%s]\nDECLARE @i int = 0\nWHILE @i < 15\nBEGIN\n INSERT INTO dbo.t (s) SELECT REPLICATE(NCHAR(65 + @i), 390) FROM dbo.t\n SET @i += 1\nEND\nGO\n", r.database(0))
	for i := range seedLinks {
		fmt.Fprintf(&b, "BACKUP DATABASE [%s] TO DISK = 'NUL'\nGO\n", r.database(i))
	}
	r.run(r.source, "make databases", b.String())
}

func (r *seedRun) database(i int) string { return fmt.Sprintf("db%d", i) }

// trust is "Establish trust between instances".
func (r *seedRun) trust() {
	r.t.Helper()
	r.block(r.source, 0)
	certs := r.one(r.block(r.source, 1), 1)
	r.want(certs, "name", "Cert_sqlserver1_endpoint")
	r.want(certs, "pvt_key_encryption_type", "MK")
	r.want(certs, "pvt_key_encryption_type_desc", "ENCRYPTED_BY_MASTER_KEY")
	blob, err := r.one(r.block(r.source, 2), 1).Value("PublicKeyEncoded")
	if err != nil || len(blob) < 500 {
		r.t.Fatalf("PublicKeyEncoded: %q, %v", blob, err)
	}
	if !strings.HasPrefix(strings.ToLower(blob), "0x") {
		blob = "0x" + blob // tsql prints binary without the prefix
	}
	r.request(0, map[string]string{"SubscriptionID": r.arm.Subscription, "ManagedInstanceName": "sqlmi1", "miRG": r.arm.ResourceGroup,
		"certificateName": "Cert_sqlserver1_endpoint", "PublicKeyEncoded": blob})
	res := r.one(r.block(r.target, 3), 1)
	key := res.Rows[0][0]
	if !strings.HasPrefix(strings.ToLower(key), "0x") {
		key = "0x" + key
	}
	r.values["InstanceCertificate"] = key
	r.block(r.source, 4)
	r.one(r.block(r.source, 5), 2)
}

func (r *seedRun) request(n int, values map[string]string) {
	r.t.Helper()
	req, err := harness.ScriptRequest(r.rest[n], values)
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(r.t, r.http(r.t), req)
}

// endpoint is "Create a mirroring endpoint" and "Alter an existing endpoint".
func (r *seedRun) endpoint() {
	r.t.Helper()
	r.one(r.block(r.source, 6), 0)
	r.block(r.source, 7)
	for _, n := range []int{8, 9} {
		res := r.one(r.block(r.source, n), 1)
		for column, want := range map[string]string{"name": "database_mirroring_endpoint", "type_desc": "DATABASE_MIRRORING", "state_desc": "STARTED",
			"role_desc": "ALL", "connection_auth_desc": "CERTIFICATE", "is_encryption_enabled": "1", "encryption_algorithm_desc": "AES"} {
			r.want(res, column, want)
		}
	}
	r.block(r.source, 10)
	r.want(r.one(r.block(r.source, 11), 1), "connection_auth_desc", "NEGOTIATE, CERTIFICATE")
}

// links is "Create an availability group" to "Verify the link".
func (r *seedRun) links() {
	r.t.Helper()
	r.want(r.one(r.block(r.source, 12), 1), "SQLServerName", "sqlserver1")
	for i := range seedLinks {
		r.values["AGName"], r.values["DAGName"], r.values["DatabaseName"] = "AG_"+r.database(i), "DAG_"+r.database(i), r.database(i)
		r.block(r.source, 13)
		r.block(r.source, 14)
	}
	r.one(r.block(r.source, 15), 2*seedLinks)
	for replica, state := range r.connected() {
		if want := map[bool]string{true: "CONNECTED", false: "DISCONNECTED"}[replica != "sqlmi1"]; state != want {
			r.t.Fatalf("before the link %s is %s, want %s", replica, state, want)
		}
	}
	seen := r.watchStates(r.database(0))
	for i := range seedLinks {
		r.request(1, map[string]string{"SubscriptionID": r.arm.Subscription, "ManagedInstanceName": "sqlmi1", "miRG": r.arm.ResourceGroup,
			"AGName": "AG_" + r.database(i), "DAGName": "DAG_" + r.database(i), "DatabaseName": r.database(i), "SQLServerAddress": r.source.Address})
	}
	for deadline := time.Now().Add(60 * time.Second); r.connected()["sqlmi1"] != "CONNECTED"; waitTick(r.t) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not CONNECTED after a minute: %v", r.block(r.source, 16))
		}
	}
	for i := range seedLinks {
		for deadline := time.Now().Add(60 * time.Second); ; waitTick(r.t) {
			state := r.state(r.database(i))
			if state == "ONLINE" {
				break
			}
			if state != "RESTORING" || time.Now().After(deadline) {
				r.t.Fatalf("%s is %s", r.database(i), state)
			}
		}
		r.readOnlyCopy(r.database(i))
	}
	if got := <-seen; !slices.Equal(got, []string{"absent", "RESTORING", "ONLINE"}) {
		r.t.Errorf("the target showed %s as %v", r.database(0), got)
	}
}

// watchStates asks the target for a database's state, over and over, until it is ONLINE, and gives the states in order.
func (r *seedRun) watchStates(database string) <-chan []string {
	r.t.Helper()
	db, err := harness.OpenSQL(r.target, "master")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = db.Close() })
	out := make(chan []string, 1)
	go func() {
		states := []string{"absent"}
		for r.t.Context().Err() == nil && states[len(states)-1] != "ONLINE" {
			var s string
			err := db.QueryRowContext(r.t.Context(), "SELECT state_desc FROM sys.databases WHERE name = @p1", database).Scan(&s)
			if err == nil && s != states[len(states)-1] {
				states = append(states, s)
			}
		}
		out <- states
	}()
	return out
}

// connected gives the state of every replica by the document's query; of several of one name the worst.
func (r *seedRun) connected() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for _, row := range r.one(r.block(r.source, 16), -1).Rows {
		if out[row[0]] != "DISCONNECTED" {
			out[row[0]] = row[2]
		}
	}
	return out
}

func (r *seedRun) state(database string) string {
	r.t.Helper()
	res := r.one(r.run(r.target, "state", "SELECT state_desc FROM sys.databases WHERE name = '"+database+"'"), -1)
	if len(res.Rows) == 0 {
		return "absent"
	}
	return res.Rows[0][0]
}

// readOnlyCopy checks that the copy has the rows and refuses a write with 3906.
func (r *seedRun) readOnlyCopy(database string) {
	r.t.Helper()
	count := func(l harness.Login) string {
		return r.one(r.run(l, "count", "USE ["+database+"]\nGO\nSELECT COUNT(*) AS n FROM dbo.t"), 1).Rows[0][0]
	}
	if s, c := count(r.source), count(r.target); s != c {
		r.t.Errorf("%s has %s rows on the source and %s on the copy", database, s, c)
	}
	_, messages, err := r.client.Run(r.t.Context(), r.target, "USE ["+database+"]\nGO\nINSERT INTO dbo.t (s) VALUES (N'x')")
	if err != nil || len(messages) == 0 || messages[0].Number != 3906 {
		r.t.Errorf("a write to the copy of %s: %v %v, want 3906", database, messages, err)
	}
}
