// Command testsum reads the output of "go test -json" and prints what a person wants of it: a line per package with its
// time, everything a failing test said, and at the end what was skipped and why and what failed. It exits with 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

func main() {
	ok, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// summary is what has been seen so far.
type summary struct {
	out     io.Writer
	said    map[string]*strings.Builder // by package and test; dropped when it passed
	tests   map[string]int              // by package
	skipped []string
	failed  []string
	why     map[string][]string // by failed
	all     int
}

// summarize reads events to their end and says whether nothing failed.
func summarize(in io.Reader, out io.Writer) (bool, error) {
	s := &summary{out: out, said: map[string]*strings.Builder{}, tests: map[string]int{}, why: map[string][]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text()) // what the go command says beside the events
			continue
		}
		s.add(e)
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read events: %w", err)
	}
	for _, t := range s.skipped {
		fmt.Fprintln(out, "skipped ", t)
	}
	for _, t := range s.failed {
		fmt.Fprintln(out, "FAILED  ", t)
		for _, l := range s.why[t] {
			fmt.Fprintln(out, "          ", l)
		}
	}
	fmt.Fprintf(out, "%d tests in %d packages, %d skipped, %d failures\n", s.all, len(s.tests), len(s.skipped), len(s.failed))
	return len(s.failed) == 0 && s.all > 0, nil
}

func (s *summary) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.failed = append(s.failed, e.ImportPath+" does not build")
	case "output":
		if s.said[key] == nil {
			s.said[key] = new(strings.Builder)
		}
		s.said[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e, key)
		} else {
			s.endTest(e, key)
		}
		delete(s.said, key)
	}
}

// endPackage prints a package's line; a package without tests has none.
func (s *summary) endPackage(e event, key string) {
	if e.Action == "skip" {
		return
	}
	if e.Action == "fail" {
		s.failed = append(s.failed, e.Package)
		fmt.Fprint(s.out, s.text(key))
	}
	s.all += s.tests[e.Package]
	fmt.Fprintf(s.out, "%-5s %-28s %4d tests %7.1fs\n", map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action], strings.TrimPrefix(e.Package, "linkspan/"), s.tests[e.Package], e.Elapsed)
}

func (s *summary) endTest(e event, key string) {
	s.tests[e.Package]++
	name := strings.TrimPrefix(e.Package, "linkspan/") + ": " + e.Test
	switch e.Action {
	case "fail":
		s.failed = append(s.failed, name)
		s.why[name] = remarks(s.text(key))
		fmt.Fprint(s.out, s.text(key))
	case "skip":
		s.skipped = append(s.skipped, name+": "+reason(s.text(key)))
	}
}

func (s *summary) text(key string) string {
	if b := s.said[key]; b != nil {
		return b.String()
	}
	return ""
}

// A failed test's remarks are repeated at the end, so that they are found under what its processes said.
const (
	maxRemarks      = 12
	maxRemarkLength = 500
)

// remark begins what a test said itself, with the file and the line.
var remark = regexp.MustCompile(`^\s*\w+_test\.go:\d+: `)

// remarks are the last lines that a test said itself.
func remarks(said string) []string {
	var all []string
	for l := range strings.Lines(said) {
		if remark.MatchString(l) {
			l = strings.TrimSpace(l)
			all = append(all, l[:min(len(l), maxRemarkLength)])
		}
	}
	return all[max(0, len(all)-maxRemarks):]
}

// reason is what a skipped test said, without the frame around it.
func reason(said string) string {
	var words []string
	for _, l := range strings.Split(said, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "=== ") && !strings.HasPrefix(l, "--- ") {
			words = append(words, l)
		}
	}
	return strings.Join(words, " ")
}
