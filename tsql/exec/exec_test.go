package exec_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"linkspan/tsql/exec"
)

// Scripts: each "sql" block is a batch of the session named by its argument (a by default) on one server, and shows all
// that the client is told.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		srv := newServer(t)
		sessions := map[string]*exec.Session{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			name := "a"
			if len(d.CmdArgs) > 0 {
				name = d.CmdArgs[0].Key
			}
			if sessions[name] == nil {
				sessions[name] = srv.session(t, 51+len(sessions))
			}
			switch d.Cmd {
			case "sql":
				return run(t, sessions[name], d.Input)
			case "close":
				must(t, sessions[name].Close())
				delete(sessions, name)
				return ""
			}
			return "unknown command " + d.Cmd
		})
	})
}
