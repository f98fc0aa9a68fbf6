package systest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// The project's own guide is run as it is printed, through go-mssqldb: a document that lies fails here.
func TestOwnDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "link-by-hand.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := harness.Blocks(string(text))
	if err != nil {
		t.Fatal(err)
	}
	s := startSite(t)
	values := map[string]string{
		"Password": "Str0ng!Pass-phrase", "ExpiryDate": time.Now().AddDate(1, 0, 0).Format("2006-01-02"), "ArmUrl": s.arm.URL,
		"SubscriptionID": s.arm.Subscription, "ResourceGroup": s.arm.ResourceGroup, "ManagedInstanceName": "sqlmi1", "ManagedInstanceFQDN": s.fqdn,
		"DatabaseName": "Tidal Førde", "SQLServerName": "sqlserver1", "SQLServerIP": s.source.Address,
	}
	run := 0
	for _, b := range blocks {
		words := strings.Fields(b.Lang)
		if len(words) == 0 {
			continue
		}
		filled, err := harness.Fill(b.Text, values)
		if err != nil {
			t.Fatalf("line %d: %v", b.Line, err)
		}
		switch words[0] {
		case "powershell":
			req, err := harness.ScriptRequest(filled, nil)
			if err != nil {
				t.Fatalf("line %d: %v", b.Line, err)
			}
			s.send(t, s.http(t), req)
		case "sql":
			runBlock(t, s, b.Line, words[1:], filled, values)
		}
		run++
	}
	if run < 12 {
		t.Errorf("only %d blocks were run", run)
	}
	waitEqual(t, s, "Tidal Førde")
}

// waitEqual waits until both sides show one digest of a database.
func waitEqual(t *testing.T, s *site, database string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; waitTick(t) {
		digests := map[string]bool{}
		for _, l := range []harness.Login{s.source, s.target} {
			r, messages, err := harness.GoClient{}.Run(t.Context(), l, "SELECT digest FROM sys.dm_linkspan_database_digest WHERE database_name = N'"+database+"'")
			if err != nil || len(messages) > 0 || len(r) != 1 {
				t.Fatalf("digest: %v %v %v", r, messages, err)
			}
			if len(r[0].Rows) == 1 { // none while the copy is restoring
				digests[r[0].Rows[0][0]] = true
			} else {
				digests["absent"] = true
			}
		}
		if len(digests) == 1 && !digests["absent"] {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the digests do not become equal: %v", digests)
		}
	}
}

// runBlock runs a block on the sides its fence names, and keeps a value that its third word asks for.
func runBlock(t *testing.T, s *site, line int, words []string, script string, values map[string]string) {
	t.Helper()
	sides := map[string][]harness.Login{"source": {s.source}, "target": {s.target}, "both": {s.source, s.target}}[words[0]]
	if len(sides) == 0 {
		t.Fatalf("line %d: the fence names the side %q", line, words[0])
	}
	for _, l := range sides {
		results, messages, err := harness.GoClient{}.Run(t.Context(), l, script)
		if err != nil || len(messages) > 0 {
			t.Fatalf("line %d: %v %v\n%s", line, messages, err, script)
		}
		if len(words) > 1 {
			if len(results) != 1 || len(results[0].Rows) != 1 {
				t.Fatalf("line %d: %v, want one value", line, results)
			}
			values[words[1]] = results[0].Rows[0][0]
		}
	}
}
