package cli

import (
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"linkspan/migrate"
)

func newMigratePlanCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	c := &cobra.Command{
		Use:   "plan SPEC",
		Short: "Ask every side what a migration would do, and what stands in its way; change nothing",
		Long: `Ask source, share, storage and target, and print the summary: databases with the backups that are there, logins with
what happens to each, settings, what is not moved, and what was found. The exit code is 0, 3 when something stands in
the way, and 2 when the spec is wrong. SPEC is a YAML file (docs/migrate.md), or - for standard input.`,
		Args: exactly(1, "the spec"),
		RunE: func(c *cobra.Command, args []string) error {
			spec, err := readSpec(c, args[0])
			if err != nil {
				return err
			}
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			p, err := m.Plan(c.Context(), spec)
			if err != nil {
				return migrateError(err)
			}
			if err := printSummary(c.OutOrStdout(), &p, f.asJSON); err != nil {
				return err
			}
			if p.Blocked() {
				return refusedError(errors.New("something stands in the way: mend what is marked above, and plan again"))
			}
			return nil
		},
	}
	f.register(c)
	return c
}

// nothing asks for no arguments.
func nothing(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(errors.New("it takes no argument, and was given " + args[0] + "; see \"" + c.CommandPath() + " --help\""))
	}
	return nil
}

// exactly asks for n arguments and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError(errors.New("it takes one argument, " + what + "; see \"" + c.CommandPath() + " --help\""))
		}
		return nil
	}
}

func printSummary(w io.Writer, p *migrate.Plan, asJSON bool) error {
	if asJSON {
		return printLine(w, p)
	}
	out := &page{w: w}
	out.text("Activity  ", p.Activity)
	out.text("Source    ", p.Source)
	out.text("Share     ", p.Share)
	out.text("Storage   ", p.Storage)
	out.text("Target    ", p.Target)
	planDatabases(out, p.Databases)
	planLogins(out, p.Logins)
	if len(p.Settings) > 0 {
		out.printf("\nSettings\n")
		width := 4
		for _, s := range p.Settings {
			width = widest(width, 30, s.Name)
		}
		for _, s := range p.Settings {
			out.text("  "+column(s.Name, width)+"  ", s.Value)
		}
	}
	if len(p.NotMoved) > 0 {
		out.printf("\nNot moved: make these on the target by hand\n")
		for _, n := range p.NotMoved {
			out.text("  - ", n)
		}
	}
	planFindings(out, p.Findings)
	return out.err
}

func planDatabases(out *page, all []migrate.PlannedDatabase) {
	out.printf("\nDatabases (%d)\n", len(all))
	for _, d := range all {
		name := d.Name
		if d.TargetName != d.Name && d.TargetName != "" {
			name += " → " + d.TargetName
		}
		about := ""
		if d.SizeBytes > 0 {
			about = ", " + bytesText(d.SizeBytes)
		}
		if d.Recovery != "" {
			about += ", recovery model " + d.Recovery
		}
		out.printf("  %s%s\n", name, about)
		out.text("      folder  ", d.Folder)
		full := d.Full
		if full == "" {
			full = "none yet: the migration waits for one"
		}
		out.text("      full    ", full)
		chain := count(d.Files, "usable file", "usable files")
		if d.Chain != "" {
			chain += "; " + d.Chain
		}
		out.text("      chain   ", chain)
	}
}

func planLogins(out *page, all []migrate.PlannedLogin) {
	if len(all) == 0 {
		return
	}
	out.printf("\nLogins (%d)\n", len(all))
	width := 4
	for _, l := range all {
		width = widest(width, 30, l.Name)
	}
	for _, l := range all {
		kind := "SQL    "
		if l.Windows {
			kind = "Windows"
		}
		out.text("  "+column(l.Name, width)+"  "+kind+"  ", l.Action)
	}
}

// planFindings lists what stands in the way first.
func planFindings(out *page, all []migrate.Finding) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b migrate.Finding) int {
		switch {
		case a.Blocks == b.Blocks:
			return 0
		case a.Blocks:
			return -1
		}
		return 1
	})
	blocking := 0
	for _, f := range all {
		if f.Blocks {
			blocking++
		}
	}
	if blocking > 0 {
		out.printf("\nStands in the way (%d)\n", blocking)
	}
	for i, f := range all {
		if i == blocking {
			out.printf("\nWarnings (%d)\n", len(all)-blocking)
		}
		mark := "  ! "
		if f.Blocks {
			mark = "  ✗ "
		}
		out.text(mark, f.At+": "+f.Text+" ["+f.ID+"]")
		if f.Fix != "" {
			out.text("      → ", f.Fix)
		}
	}
	if len(all) == 0 {
		out.printf("\nNothing stands in the way.\n")
	} else if blocking == 0 {
		out.printf("\nNothing stands in the way; read the warnings.\n")
	}
}
