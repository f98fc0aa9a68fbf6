package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/cli"
)

// serve prints one line when it is ready, and ends in order when it is interrupted; its tokens are made, listed, removed.
func TestServeCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "serve.yaml")
	if err := os.WriteFile(config, []byte("state: state\nlisten: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, out := io.Pipe()
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{"serve", "--config", config, "--json"}, strings.NewReader(""), out, &log)
		_ = out.Close() // always nil
	}()
	var ready struct {
		URL, State, CA, Tokens, OperatorToken string
		Engaged                               bool
	}
	if err := json.NewDecoder(in).Decode(&ready); err != nil {
		t.Fatalf("%v, log %s", err, log.String())
	}
	if !strings.HasPrefix(ready.URL, "https://127.0.0.1:") || ready.State != filepath.Join(dir, "state") || !ready.Engaged || ready.OperatorToken == "" {
		t.Errorf("%+v", ready)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		var o, e bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if code := cli.Run(ctx, append([]string{"serve", "token"}, args...), strings.NewReader(""), &o, &e); code != want {
			t.Errorf("%v: code %d, %s", args, code, e.String())
		}
		return o.String()
	}
	secret := run(0, "add", "board", "--config", config, "--expires", "24h")
	if list := run(0, "list", "--config", config); !strings.Contains(list, "board") || strings.Contains(list, strings.TrimSpace(secret)) {
		t.Errorf("list: %s", list)
	}
	run(1, "add", "board", "--state", ready.State)
	run(2, "add", "x", "--state", ready.State, "--role", "king")
	run(1, "add", "a b", "--state", ready.State)
	run(0, "remove", "board", "--state", ready.State)
	run(1, "remove", "board", "--state", ready.State)
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("serve ended with %d: %s", code, log.String())
	}
}

func TestServeUsage(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "serve.yaml")
	if err := os.WriteFile(bad, []byte("lisen: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"no such file": {"--config", bad + "x"}, "misspelt key": {"--config", bad}, "an argument": {"x"}, "unknown flag": {"--nonsense"},
	} {
		var o, e bytes.Buffer
		if code := cli.Run(t.Context(), append([]string{"serve"}, args...), strings.NewReader(""), &o, &e); code != 2 {
			t.Errorf("%s: code %d, %s", name, code, e.String())
		}
	}
}
