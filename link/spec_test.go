package link_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/internal/fsx"
	"linkspan/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goodSpec = `
source: {address: 10.0.0.4, port: 1433, user: sa, mirroringAddress: sql.example.com}
target:
  instance: /subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/sqlmi1
links:
  - database: db1
  - {database: db2, name: L2, group: G2, instanceGroup: M2}
`

func TestParseSpec(t *testing.T) {
	t.Parallel()
	s, err := link.ParseSpec([]byte(goodSpec))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	f, err := s.Flow(s.Links[1], link.Secrets{}, time.Now()).Normalize()
	if err != nil || f.DAG != "L2" || f.AG != "G2" || f.InstanceAG != "M2" || f.SourceHost != "sql.example.com" || f.SourcePort != 5022 || f.Instance.Name != "sqlmi1" {
		t.Errorf("%+v %v", f, err)
	}
	for name, text := range map[string]string{
		"a misspelt key":     strings.Replace(goodSpec, "database: db1", "databse: db1", 1),
		"a password":         strings.Replace(goodSpec, "user: sa", "password: x", 1),
		"no YAML":            "\t",
		"a key of the cloud": goodSpec + "clientSecret: x\n",
	} {
		if _, err := link.ParseSpec([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for name, text := range map[string]string{
		"sources's address": strings.Replace(goodSpec, "address: 10.0.0.4, ", "", 1),
		"the instance":      strings.Replace(goodSpec, "managedInstances/sqlmi1", "servers/x", 1),
		"a database's name": strings.Replace(goodSpec, "database: db1", "database: a/b", 1),
		"a host":            strings.Replace(goodSpec, "sql.example.com", "'sql example'", 1),
		"the version":       strings.Replace(goodSpec, "target:", "target:\n  apiVersion: latest", 1),
	} {
		s, err := link.ParseSpec([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.Validate() == nil {
			t.Errorf("wrong %s was accepted", name)
		}
	}
}

// Secrets come from the environment, then from files, and never from a file that others can read.
func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	none := func(string) string { return "" }
	var s link.Spec
	s.Source.PasswordFile = file("password", "from the file\n", 0o600)
	s.Credentials = file("credentials.json", `{"source":{"user":"sa","password":"x"},"arm":{"tenant":"t","clientId":"c","clientSecret":"s"}}`, 0o600)
	got, err := s.Secrets(fsx.OS{}, none)
	if err != nil || got.SourcePassword != "from the file" || got.SourceUser != "sa" || got.Tenant != "t" || got.ClientID != "c" || got.ClientSecret != "s" {
		t.Errorf("%+v %v", got, err)
	}
	if len(got.MasterKeyPassword) < 16 {
		t.Error("a master key's password that nobody gave must be random")
	}
	got, err = s.Secrets(fsx.OS{}, func(v string) string {
		return map[string]string{link.SourcePasswordVar: "from the environment", link.MasterKeyPasswordVar: "master"}[v]
	})
	if err != nil || got.SourcePassword != "from the environment" || got.MasterKeyPassword != "master" {
		t.Errorf("%+v %v", got, err)
	}
	if runtime.GOOS != "windows" {
		s.Source.PasswordFile = file("loose", "secret-text", 0o644)
		if _, err := s.Secrets(fsx.OS{}, none); err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "secret-text") {
			t.Errorf("a file that others can read: %v", err)
		}
	}
	s.Source.PasswordFile = ""
	s.Credentials = file("broken.json", `{"source":{"password":"secret-text"`, 0o600)
	if _, err := s.Secrets(fsx.OS{}, none); err == nil || strings.Contains(err.Error(), "secret-text") {
		t.Errorf("a broken file: %v", err)
	}
}
