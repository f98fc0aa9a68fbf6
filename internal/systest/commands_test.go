package systest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	commandLine = regexp.MustCompile("(?m)(?:`|^|^\\$ |\\./bin/)linkspan ([a-z][^`\n]*)")
	commandWord = regexp.MustCompile(`^[a-z]+$`)
	commandFlag = regexp.MustCompile(`^--?[a-z][a-z-]*`)
	listedFlag  = regexp.MustCompile(`(?m)^ +(?:-([a-z]), )? *--([a-z-]+)`)
)

// The pages name commands and flags that the program has.
func TestPagesNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range append(names, "../../README.md", "../../ARCHITECTURE.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandLine.FindAllStringSubmatch(string(b), -1) {
			checked++
			checkCommand(t, filepath.Base(name), m[1])
		}
	}
	if checked < 20 {
		t.Errorf("only %d command lines were found on the pages", checked)
	}
}

// checkCommand asks the program for the help of a command line as it is printed, and looks its flags up there.
func checkCommand(t *testing.T, where, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	words := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(line))
	last := slices.IndexFunc(words, func(w string) bool { return !commandWord.MatchString(strings.Split(w, "|")[0]) })
	if last < 0 {
		last = len(words)
	}
	commands := [][]string{nil}
	for _, w := range words[:last] {
		var longer [][]string
		for _, c := range commands {
			for _, choice := range strings.Split(w, "|") {
				longer = append(longer, append(slices.Clone(c), choice))
			}
		}
		commands = longer
	}
	for _, c := range commands {
		help := helpOf(t, c)
		if !strings.Contains(help, "\n  linkspan "+strings.Join(c, " ")) {
			t.Errorf("%s names %q, which is no command", where, "linkspan "+strings.Join(c, " "))
			continue
		}
		for _, w := range words[last:] {
			if f := commandFlag.FindString(w); f != "" && !slices.Contains(flagsOf(help), f) {
				t.Errorf("%s names %q with %s, which is no flag of it", where, "linkspan "+strings.Join(c, " "), f)
			}
		}
	}
}

func helpOf(t *testing.T, command []string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append(slices.Clone(command), "--help")...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "" // reported as no command
	}
	return out.String()
}

func flagsOf(help string) []string {
	var flags []string
	for _, m := range listedFlag.FindAllStringSubmatch(help, -1) {
		flags = append(flags, "--"+m[2])
		if m[1] != "" {
			flags = append(flags, "-"+m[1])
		}
	}
	return flags
}
