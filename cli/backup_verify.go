package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"linkspan/bak"
)

func newBackupVerifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify PATH…",
		Short: "Check files as far as that is possible without a server",
		Long: `Check everything in backup files that carries a checksum or must fit together: block and stream headers,
compressed chunks, checksum streams (WITH CHECKSUM), page checksums, log blocks and their continuity up to
LastLSN, the size in the header, and whether all stripes are there. It says what each check covered and what
nothing vouches for. Exit code 1 when something is damaged.`,
		Args: atLeastOnePath,
		RunE: func(c *cobra.Command, paths []string) error { return runVerify(c, paths, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// verified is one file with its report; report is nil when the file cannot be read at all.
type verified struct {
	*openedBackup
	report *bak.Report
	// stripes says which stripes of the set are missing among the files given.
	stripes string
}

func runVerify(c *cobra.Command, paths []string, asJSON bool) error {
	files, err := findBackups(c.Context(), paths)
	defer func() { closeSources(files) }()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, f := range files {
		total += f.entry.Size
	}
	p := newProgress(c.ErrOrStderr())
	p.start("verifying", total)
	var all []verified
	for _, f := range files {
		v, err := verifyBackup(c.Context(), f, p)
		if err != nil {
			return fmt.Errorf("verify %s: %w", f.name, err)
		}
		if !v.foreign() {
			all = append(all, v)
		}
	}
	p.done()
	missingStripes(all)
	checkStripes(all)
	if asJSON {
		err = printJSON(c.OutOrStdout(), verifyDocument(all))
	} else {
		err = printVerified(c.OutOrStdout(), all)
	}
	return errors.Join(err, verifyVerdict(all))
}

// verifyBackup checks one file on all cores.
func verifyBackup(ctx context.Context, f backupFile, p *progress) (verified, error) {
	o := openBackup(ctx, f)
	defer o.close()
	v := verified{openedBackup: &o}
	if o.media == nil {
		p.add(f.entry.Size)
		if bak.AsFault(o.err) == nil {
			return v, o.err
		}
		return v, nil
	}
	work := bak.NewVerification(o.content, o.media, o.err)
	units := work.Units()
	results := make([]bak.UnitResult, len(units))
	bufs := make(chan []byte, 64)
	rate := float64(f.entry.Size) / float64(max(o.content.Size(), 1))
	err := onAllCores(ctx, len(units), func(i int) error {
		var buf []byte
		select {
		case buf = <-bufs:
		default:
		}
		results[i], buf = units[i].Run(buf)
		select {
		case bufs <- buf:
		default:
		}
		p.add(int64(float64(units[i].Size()) * rate))
		return results[i].Err
	})
	if err != nil {
		return v, err
	}
	v.report, err = work.Finish(results)
	return v, err
}

// missingStripes compares what was given with what the media sets consist of.
func missingStripes(all []verified) {
	have := map[bak.GUID]map[int]bool{}
	for _, v := range all {
		if v.media != nil {
			m := v.media.Family
			if have[m.MediaSet] == nil {
				have[m.MediaSet] = map[int]bool{}
			}
			have[m.MediaSet][m.Sequence] = true
		}
	}
	for i := range all {
		v := &all[i]
		if v.media == nil {
			continue
		}
		var missing []string
		m := v.media.Family
		for seq := 1; seq <= m.Count && len(missing) < 64; seq++ {
			if !have[m.MediaSet][seq] {
				missing = append(missing, fmt.Sprint(seq))
			}
		}
		if len(missing) > 0 {
			v.stripes = fmt.Sprintf("stripe %d of %d; stripe %s was not given, and none restores without the others", m.Sequence, m.Count, strings.Join(missing, ", "))
		}
	}
}

// checkStripes checks what the stripes of each complete media set show together.
func checkStripes(all []verified) {
	sets := map[bak.GUID][]bak.Stripe{}
	for _, v := range all {
		if v.report != nil && v.stripes == "" {
			id := v.media.Family.MediaSet
			sets[id] = append(sets[id], bak.Stripe{Media: v.media, Report: v.report})
		}
	}
	for _, stripes := range sets {
		bak.CheckStripes(stripes)
	}
}

// verdict is one word for the file.
func (v *verified) verdict() string {
	switch {
	case v.report != nil && v.report.Verdict == bak.DamagedAt && len(v.report.Faults) > 0 && v.report.Faults[0].Kind != bak.Damaged:
		return v.report.Faults[0].Kind.String()
	case v.report != nil:
		return v.report.Verdict.String()
	case bak.AsFault(v.err) != nil:
		return bak.AsFault(v.err).Kind.String()
	default:
		return "unreadable"
	}
}

func (v *verified) bad() bool { return v.report == nil || v.report.Verdict == bak.DamagedAt }

// verifyVerdict is the error for the files that are not sound.
func verifyVerdict(all []verified) error {
	var names []string
	for i := range all {
		if all[i].bad() {
			names = append(names, all[i].name+" ("+all[i].verdict()+")")
		}
	}
	if len(all) == 0 {
		return errors.New("no backups among the files")
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d files are not sound: %s", len(names), len(all), strings.Join(names, ", "))
}

func printVerified(w io.Writer, all []verified) error {
	var b strings.Builder
	for i := range all {
		v := &all[i]
		fmt.Fprintf(&b, "%s: %s\n", v.name, v.verdict())
		if v.report == nil {
			fmt.Fprintf(&b, "  %s\n", faultText(v.err))
			continue
		}
		for _, c := range v.report.Checks {
			fmt.Fprintf(&b, "  %-22s %d right", c.Name, c.OK)
			if c.Bad > 0 {
				fmt.Fprintf(&b, ", %d wrong", c.Bad)
			}
			if c.Without > 0 {
				fmt.Fprintf(&b, ", %d without a checksum", c.Without)
			}
			b.WriteByte('\n')
		}
		for _, f := range v.report.Faults {
			fmt.Fprintf(&b, "  ✗ %s\n", f)
		}
		if v.stripes != "" {
			fmt.Fprintf(&b, "  %s\n", v.stripes)
		}
		for _, n := range v.report.NotCovered {
			fmt.Fprintf(&b, "  not covered: %s\n", n)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type verifiedDocument struct {
	File       string          `json:"file"`
	Verdict    string          `json:"verdict"`
	Sound      bool            `json:"sound"`
	Checks     []bak.Check     `json:"checks"`
	Faults     []faultDocument `json:"faults"`
	NotCovered []string        `json:"notCovered"`
	Stripes    string          `json:"stripes,omitempty"`
}

type faultDocument struct {
	Kind   string `json:"kind"`
	Offset int64  `json:"offset"`
	What   string `json:"what"`
	Want   string `json:"expected,omitempty"`
	Got    string `json:"found,omitempty"`
	Text   string `json:"text"`
}

func verifyDocument(all []verified) any {
	docs := []verifiedDocument{}
	for i := range all {
		v := &all[i]
		d := verifiedDocument{File: v.name, Verdict: v.verdict(), Sound: !v.bad(), Checks: []bak.Check{}, Faults: []faultDocument{}, NotCovered: []string{}, Stripes: v.stripes}
		faults := []*bak.Fault{bak.AsFault(v.err)}
		if v.report != nil {
			d.Checks, faults = v.report.Checks, v.report.Faults
			d.NotCovered = append(d.NotCovered, v.report.NotCovered...)
		}
		for _, f := range faults {
			if f != nil {
				d.Faults = append(d.Faults, faultDocument{f.Kind.String(), f.Offset, f.What, f.Want, f.Got, f.Error()})
			}
		}
		docs = append(docs, d)
	}
	return map[string]any{"files": docs}
}
