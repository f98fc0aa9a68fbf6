package migrate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"linkspan/internal/fsx"
	"linkspan/migrate"
)

var rewrite = flag.Bool("rewrite", false, "write the published schema anew")

const small = `
name: a
source: {server: 10.0.0.4, user: sa}
share: {path: /srv/backups}
storage: {folder: /srv/storage}
target: {instance: /subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/mi, endpoint: "https://localhost:8443"}
databases: [{name: db1}]
`

func TestParse(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/full.yaml")
	must(t, err)
	s, err := migrate.Parse(data)
	must(t, err)
	if d := s.Databases; d[0].Path != `\\files.example.com\backups\sql\sales` || d[0].Target != "sales" || d[1].Path != `\\files.example.com\backups\stock` || d[1].Target != "stock_new" {
		t.Errorf("%+v", d)
	}
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "man-in-the-middle") {
		t.Errorf("warnings %q", w)
	}
	s, err = migrate.Parse([]byte(small))
	must(t, err)
	if c := s.Settings; s.Share.Folders != "one" || c.Logins != migrate.LoginsNeeded || c.BlockMiB != 8 || c.Parallel != 4 ||
		c.ScanEvery != 2*time.Second || c.MaxPause != 5*time.Minute || s.Databases[0].Path != "/srv/backups" {
		t.Errorf("%+v", s)
	}
	if len(s.Warnings()) != 0 {
		t.Errorf("warnings %q", s.Warnings())
	}
}

// Every problem of a file is reported at once, with its place.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := migrate.Parse([]byte(`
source: {server: 'a\b\c', port: 70000, password: x, trustServerCertificate: true, ca: x.pem}
share: {path: 'smb://u:secret@h/s', user: 'AZURE\acct', folders: many}
storage: {container: "https://a.blob.core.windows.net/backup", keyFile: k, sasFile: s}
target: {instance: x, tenant: t}
databases: [{name: master}, {name: SSISDB}, {name: a}, {name: A}, {name: b, targetName: a}, {name: c, path: 'relative'}]
settings: {logins: some, blockMiB: 1000, parallel: -1, bandwidthMiB: -1, scanEvery: 1ms, maxPause: 48h}
`))
	var all migrate.Problems
	if !errors.As(err, &all) {
		t.Fatalf("%T %v", err, err)
	}
	for _, want := range []string{
		"line 2: field password not found", "name: it is missing", `source.server: "a\\b\\c" is not server\instance`, "source.port: 70000", "source.user: it is missing", "source.ca: ",
		"share.path: an smb:// address holds no user", "share.folders: ", "storage.container: a container called \"backup\"", "storage: it has both sasFile and keyFile",
		"storage.account: ", "target.instance: ", "target: tenant and clientId", "databases[0].name: master is not migrated", "databases[1].name: SSISDB is not migrated: the catalog of Integration Services",
		"databases[3].name: A is databases[2] already", "databases[4].targetName: a is the target of databases[3] already", "databases[5].path: ", "settings.logins: ",
		"settings.blockMiB: ", "settings.parallel: ", "settings.bandwidthMiB: ", "settings.scanEvery: ", "settings.maxPause: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is in the message")
	}
	if t.Failed() {
		t.Log(err)
	}
	for name, text := range map[string]string{
		"empty": "", "two documents": small + "---\n" + small, "no databases": strings.Replace(small, "[{name: db1}]", "[]", 1),
		"a folder for Azure":    strings.Replace(small, `, endpoint: "https://localhost:8443"`, "", 1),
		"SAS in the address":    strings.Replace(small, "folder: /srv/storage", `container: "https://a.blob.core.windows.net/con?sv=1&sig=zzz"`, 1),
		"a share without user":  strings.Replace(small, "/srv/backups", `'\\h\s'`, 1),
		"no share":              strings.Replace(small, "/srv/backups", `'\\h'`, 1),
		"another account":       strings.Replace(small, "path: /srv/backups", `path: '\\b.file.core.windows.net\s', user: 'azure\a'`, 1),
		"a way out of the base": strings.Replace(small, "/srv/backups", `'\\h\s\..\t', user: u`, 1),
	} {
		if _, err := migrate.Parse([]byte(text)); !errors.As(err, &all) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "zzz") {
			t.Errorf("%s: the signature is in the message", name)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`\\h.example.com\share\a\b`: `{h.example.com share a/b } \\h.example.com\share\a\b`,
		`smb://h:1445/share`:        `{h:1445 share  } \\h\share`,
		`SMB://10.0.0.1/share/a/`:   `{10.0.0.1 share a } \\10.0.0.1\share\a`,
		`//h/share/a`:               `{h share a } \\h\share\a`,
	} {
		p, err := migrate.ParsePlace(in)
		if got := fmt.Sprintf("%v %s", p, p.UNC()); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "sas")
	must(t, os.WriteFile(file, []byte("?sv=1&sig=x\n"), 0o600))
	open := filepath.Join(dir, "open")
	must(t, os.WriteFile(open, []byte("secret"), 0o644))
	s := migrate.Spec{Storage: migrate.StorageSpec{SASFile: file}, Source: migrate.SourceSpec{ServerSpec: migrate.ServerSpec{PasswordFile: open}}}
	env := map[string]string{migrate.SourcePasswordVar: "p"}
	got, err := s.Secrets(fsx.OS{}, func(k string) string { return env[k] })
	if err != nil || got.StorageSAS != "sv=1&sig=x" || got.SourcePassword != "p" {
		t.Errorf("%v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(text, "sig") {
		t.Errorf("printed: %s", text)
	}
	s.Share.PasswordFile = filepath.Join(dir, "none")
	_, err = s.Secrets(fsx.OS{}, func(string) string { return "" })
	if err == nil || !errors.Is(err, os.ErrNotExist) || runtime.GOOS != "windows" && !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "secret\n") {
		t.Errorf("not all of it: %v", err)
	}
}

// TestSchema: the published schema is that of the types, and knows every key of the whole example.
func TestSchema(t *testing.T) {
	t.Parallel()
	const page = "../docs/migrate.schema.json"
	if *rewrite {
		must(t, os.WriteFile(page, migrate.Schema(), 0o644))
	}
	published, err := os.ReadFile(page)
	must(t, err)
	if !bytes.Equal(published, migrate.Schema()) {
		t.Errorf("%s is not the schema of the types: run go test ./migrate -rewrite", page)
	}
	var schema, example map[string]any
	must(t, json.Unmarshal(published, &schema))
	data, err := os.ReadFile("testdata/full.yaml")
	must(t, err)
	must(t, yaml.Unmarshal(data, &example))
	conforms(t, "spec", schema, example)
	delete(example, "name")
	example["nome"] = "x"
	if len(problems("spec", schema, example)) != 2 {
		t.Errorf("a misspelt key: %q", problems("spec", schema, example))
	}
}

func conforms(t *testing.T, at string, schema map[string]any, v any) {
	t.Helper()
	for _, p := range problems(at, schema, v) {
		t.Error(p)
	}
}

// problems checks a value by the part of JSON Schema that the schema uses.
func problems(at string, schema map[string]any, v any) []string {
	var out []string
	kind := schema["type"]
	switch v := v.(type) {
	case map[string]any:
		known, _ := schema["properties"].(map[string]any)
		for k, x := range v {
			if known[k] == nil {
				out = append(out, at+"."+k+" is not known")
				continue
			}
			out = append(out, problems(at+"."+k, known[k].(map[string]any), x)...)
		}
		need, _ := schema["required"].([]any)
		for _, k := range need {
			if v[k.(string)] == nil {
				out = append(out, at+"."+k.(string)+" is missing")
			}
		}
	case []any:
		for i, x := range v {
			out = append(out, problems(fmt.Sprintf("%s[%d]", at, i), schema["items"].(map[string]any), x)...)
		}
	case string:
		if enum, ok := schema["enum"].([]any); kind != "string" || ok && !slices.Contains(enum, any(v)) {
			out = append(out, at+": "+v)
		}
	case bool:
		if kind != "boolean" {
			out = append(out, at)
		}
	case int:
		if kind != "integer" {
			out = append(out, at)
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
