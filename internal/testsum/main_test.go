package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		ok       bool
		want     []string
	}{
		{"nothing", "", false, []string{"0 tests"}},
		{"pass and skip", `{"Action":"output","Package":"linkspan/a","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"linkspan/a","Test":"TestA"}
{"Action":"output","Package":"linkspan/a","Test":"TestB","Output":"    a_test.go:1: no server\n"}
{"Action":"skip","Package":"linkspan/a","Test":"TestB"}
{"Action":"pass","Package":"linkspan/a","Elapsed":1.5}`, true, []string{"ok    a", "2 tests", "1.5s", "skipped  a: TestB: a_test.go:1: no server", "1 skipped, 0 failures"}},
		{"fail", `{"Action":"output","Package":"linkspan/a","Test":"TestA","Output":"the cause\n"}
{"Action":"fail","Package":"linkspan/a","Test":"TestA"}
{"Action":"fail","Package":"linkspan/a"}`, false, []string{"the cause", "FAIL  a", "FAILED   a: TestA"}},
		{"a remark above the noise", `{"Action":"output","Package":"linkspan/a","Test":"TestA","Output":"    a_test.go:7: got 1\n"}
{"Action":"output","Package":"linkspan/a","Test":"TestA","Output":"        the process said much\n"}
{"Action":"fail","Package":"linkspan/a","Test":"TestA"}
{"Action":"fail","Package":"linkspan/a"}`, false, []string{"FAILED   a: TestA\n           a_test.go:7: got 1\nFAILED   linkspan/a"}},
		{"does not build", `{"ImportPath":"linkspan/a","Action":"build-output","Output":"a.go:1: syntax error\n"}
{"ImportPath":"linkspan/a","Action":"build-fail"}
{"Action":"fail","Package":"linkspan/a"}`, false, []string{"a.go:1: syntax error", "linkspan/a does not build"}},
		{"a package that dies", `{"Action":"output","Package":"linkspan/a","Output":"panic: no\n"}
{"Action":"fail","Package":"linkspan/a"}`, false, []string{"panic: no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			ok, err := summarize(strings.NewReader(c.in), &out)
			if err != nil || ok != c.ok {
				t.Errorf("ok %v, %v, want %v", ok, err, c.ok)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "noise") {
				t.Errorf("what a passing test said is printed:\n%s", out.String())
			}
		})
	}
}
