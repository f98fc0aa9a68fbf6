package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"linkspan/bak"
)

func newBackupInspectCommand() *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "inspect PATH…",
		Short: "Show what RESTORE HEADERONLY and RESTORE FILELISTONLY would show",
		Long: `Show what RESTORE HEADERONLY and RESTORE FILELISTONLY would show of each file, under their column names. A
value shown as ? (and listed under "unknown" in JSON) is one that we cannot locate in the file. Several files
are shown as a table of their main columns; --all shows every column of each.`,
		Args: atLeastOnePath,
		RunE: func(c *cobra.Command, paths []string) error { return runInspect(c, paths, asJSON, all) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.Flags().BoolVar(&all, "all", false, "show every column of every set")
	return c
}

func runInspect(c *cobra.Command, paths []string, asJSON, all bool) error {
	files, err := findBackups(c.Context(), paths)
	defer func() { closeSources(files) }()
	if err != nil {
		return err
	}
	opened, err := readHeaders(c.Context(), files, newProgress(c.ErrOrStderr()))
	if err != nil {
		return err
	}
	var errs []error
	for i := range opened {
		if f := &opened[i]; f.err != nil && !f.foreign() {
			errs = append(errs, fmt.Errorf("%s: %w", f.name, f.err))
		}
	}
	switch {
	case asJSON:
		err = printJSON(c.OutOrStdout(), inspectDocument(opened))
	case all || len(opened) == 1:
		err = printHeaders(c.OutOrStdout(), opened)
	default:
		err = printHeaderTable(c.OutOrStdout(), opened)
	}
	return errors.Join(append([]error{err}, errs...)...)
}

// fieldsDocument is an object with the fields in their order.
type fieldsDocument []bak.Field

// MarshalJSON implements json.Marshaler.
func (fs fieldsDocument) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range fs {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.JSON())
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func unknownFields(fs []bak.Field) []string {
	names := []string{}
	for _, f := range fs {
		if f.Unknown {
			names = append(names, f.Name)
		}
	}
	return names
}

type mediaDocument struct {
	File        string        `json:"file"`
	Size        int64         `json:"size"`
	Container   string        `json:"container,omitempty"`
	MediaSet    string        `json:"mediaSetGUID,omitempty"`
	FamilyCount int           `json:"familyCount,omitempty"`
	Sequence    int           `json:"familySequenceNumber,omitempty"`
	Software    string        `json:"softwareName,omitempty"`
	Sets        []setDocument `json:"sets"`
	Fault       string        `json:"fault,omitempty"`
	FaultKind   string        `json:"faultKind,omitempty"`
}

type setDocument struct {
	Header  fieldsDocument   `json:"header"`
	Files   []fieldsDocument `json:"files"`
	Unknown []string         `json:"unknown"`
	Ended   bool             `json:"complete"`
}

func inspectDocument(opened []openedBackup) any {
	docs := []mediaDocument{}
	for i := range opened {
		o := &opened[i]
		d := mediaDocument{File: o.name, Size: o.entry.Size, Sets: []setDocument{}, Fault: faultText(o.err)}
		if f := bak.AsFault(o.err); f != nil {
			d.FaultKind = f.Kind.String()
		}
		if m := o.media; m != nil {
			d.Container, d.MediaSet, d.Software = m.Container.String(), m.Family.MediaSet.String(), m.Family.Software
			d.FamilyCount, d.Sequence = m.Family.Count, m.Family.Sequence
			for _, s := range m.Sets {
				sd := setDocument{Header: s.HeaderOnly(m.Container), Ended: s.Ended, Files: []fieldsDocument{}}
				sd.Unknown = unknownFields(sd.Header)
				for _, f := range s.FileListOnly() {
					sd.Files = append(sd.Files, f)
				}
				d.Sets = append(d.Sets, sd)
			}
		}
		docs = append(docs, d)
	}
	return map[string]any{"files": docs}
}

// printHeaders shows every column of every set.
func printHeaders(w io.Writer, opened []openedBackup) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := range opened {
		o := &opened[i]
		fmt.Fprintf(t, "%s\n", o.name)
		if o.media != nil {
			f := o.media.Family
			fmt.Fprintf(t, "  Container\t%s\n  MediaSetGUID\t%s\n  Stripe\t%d of %d\n  SoftwareName\t%s\n", o.media.Container, strings.ToUpper(f.MediaSet.String()), f.Sequence, f.Count, f.Software)
			for _, s := range o.media.Sets {
				fmt.Fprintf(t, "\n")
				for _, f := range s.HeaderOnly(o.media.Container) {
					fmt.Fprintf(t, "  %s\t%s\n", f.Name, f.Text())
				}
				for _, file := range s.FileListOnly() {
					fmt.Fprintf(t, "\n")
					for _, f := range file {
						fmt.Fprintf(t, "    %s\t%s\n", f.Name, f.Text())
					}
				}
			}
		}
		if o.err != nil {
			fmt.Fprintf(t, "  %s\n", faultText(o.err))
		}
	}
	return t.Flush()
}

// printHeaderTable shows a line per set.
func printHeaderTable(w io.Writer, opened []openedBackup) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tPOSITION\tSTRIPE\tTYPE\tDATABASE\tSERVER\tFINISHED\tFIRSTLSN\tLASTLSN\tSIZE")
	for i := range opened {
		o := &opened[i]
		if o.foreign() {
			continue
		}
		if o.media != nil {
			for _, s := range o.media.Sets {
				f := o.media.Family
				fmt.Fprintf(t, "%s\t%d\t%d of %d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", o.name, s.Position, f.Sequence, f.Count, s.Type, s.Database, s.Server,
					s.Finished.Format("2006-01-02 15:04:05"), s.FirstLSN.Decimal(), s.LastLSN.Decimal(), s.Size)
			}
		}
		if o.err != nil {
			fmt.Fprintf(t, "%s\t%s\n", o.name, faultText(o.err))
		}
	}
	return t.Flush()
}
