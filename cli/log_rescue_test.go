package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/cli"
)

func TestLogRescue(t *testing.T) {
	t.Parallel()
	const file = "../rescue/testdata/v1.rescue"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.rescue")
	if err := os.WriteFile(cut, data[:len(data)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  []string
		code  int
		says  string
		lacks string
	}{
		"text":         {[]string{file}, 0, "~ id=1 n: N'a' → N'it''s'", "INSERT"},
		"one table":    {[]string{file, "--table", "dbo.fresh"}, 0, "+ id=7", "id=1"},
		"json":         {[]string{file, "--json"}, 0, `{"table":"dbo.fresh","op":"insert","new":{"id":7}}`, "INSERT INTO"},
		"sql":          {[]string{file, "--sql"}, 0, "DELETE FROM [dbo].[t] WHERE [id] = 2\n", "{"},
		"both":         {[]string{file, "--sql", "--json"}, 2, "exclude each other", ""},
		"none":         {nil, 2, "name one rescue file", ""},
		"no such file": {[]string{cut + "x"}, 2, "no such file", ""},
		"cut":          {[]string{cut}, 1, "ends too early", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code := cli.Run(t.Context(), append([]string{"log", "rescue"}, c.args...), strings.NewReader(""), &out, &out)
			if code != c.code || !strings.Contains(out.String(), c.says) || c.lacks != "" && strings.Contains(out.String(), c.lacks) {
				t.Errorf("code %d:\n%s", code, out.String())
			}
		})
	}
}
