package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/daemon"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "linkspan.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoadConfigFillsIn(t *testing.T) {
	t.Parallel()
	file := configFile(t, "name: sqlmi1\nkind: managed-instance\ndir: data\narm:\n  credentials: secrets/arm.json\n")
	c, err := daemon.LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Dir(file)
	for what, pair := range map[string][2]string{
		"dir": {c.Dir, filepath.Join(base, "data")}, "fqdn": {c.FQDN, "sqlmi1.linkspan.test"}, "listen": {c.Listen, "127.0.0.1:1433"},
		"addresses": {strings.Join(c.Addresses, " "), "127.0.0.1"}, "credentials": {c.Credentials, filepath.Join(base, "data", "credentials.json")},
		"ca": {c.CA, filepath.Join(base, "data")}, "durability": {c.Durability, "full"}, "encryption": {c.Encryption, "required"},
		"arm credentials": {c.ARM.Credentials, filepath.Join(base, "secrets", "arm.json")}, "arm listen": {c.ARM.Listen, "localhost:8443"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q instead of %q", what, pair[0], pair[1])
		}
	}
	if *c.MirroringPort != 5022 {
		t.Errorf("mirroring port is %d", *c.MirroringPort)
	}
}

// TestLoadConfigNamesEveryProblem reports all problems at once, each with the field and what is allowed.
func TestLoadConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	file := configFile(t, `name: "sql server/1"
kind: oracle
listen: 127.0.0.1
durability: maybe
encryption: never
mirroringPort: 70000
hosts: {sqlmi1: somewhere}
addresses: [localhost]
collation: Nowhere_CI_AS
memory: {budgetMB: 1, transactionMB: 0, tempMB: -1}
log: {maxSizeMB: 1, linkLogRetentionMB: -1, diskReserveMB: -5, recoverySeconds: 0}
scrub: {mbPerSecond: -1, everyHours: 0}
seeding: {mbPerSecond: -1, parallel: 0}
arm: {tenant: "1", subscription: "2", clientId: "3", listen: "8443"}
`)
	_, err := daemon.LoadConfig(file)
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{file, `name "sql server/1"`, `kind "oracle"`, "dir is missing", "listen: ", `durability "maybe"`, `encryption "never"`,
		"mirroringPort 70000", `hosts: sqlmi1: "somewhere"`, `addresses: "localhost"`, `collation "Nowhere_CI_AS"`, "arm: only a managed instance",
		`arm: tenant "1"`, `arm: subscription "2"`, `arm: clientId "3"`, "arm: listen: ",
		"memory: budgetMB 1: 64 to 1048576", "memory: transactionMB 0", "memory: tempMB -1", "log: maxSizeMB 1", "log: linkLogRetentionMB -1",
		"log: diskReserveMB -5", "log: recoverySeconds 0", "scrub: mbPerSecond -1", "scrub: everyHours 0: 1 to 10000",
		"seeding: mbPerSecond -1", "seeding: parallel 0: 1 to 1000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in:\n%v", want, err)
		}
	}
}

func TestLoadConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":  {"name: a\ndir: d\nport: 1433\n", "line 3: field port not found"},
		"a field in arm":    {"name: a\nkind: managed-instance\ndir: d\narm:\n  secret: x\n", "line 5: field secret not found"},
		"a password":        {"name: a\ndir: d\npassword: geheim\n", "field password not found"},
		"no YAML":           {"name: [a\n", "yaml"},
		"the wrong type":    {"name: a\ndir: d\nmirroringPort: many\n", "line 3"},
		"an empty file":     {"", "empty"},
		"a second document": {"name: a\ndir: d\n---\nname: b\n", "more than one document"},
	} {
		file := configFile(t, c.text)
		_, err := daemon.LoadConfig(file)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v does not say %q and the file", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error quotes a secret: %v", name, err)
		}
	}
	if _, err := daemon.LoadConfig(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}
