package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Comparison is both sides of a database, table by table.
type Comparison struct {
	Source Side `json:"source"`
	Target Side `json:"target"`
	// Tables are those of both sides, by name.
	Tables []TablePair `json:"tables"`
	// Incomplete says in a sentence why the contents could not be compared; "" when they were. Tables are then the
	// target's alone.
	Incomplete string `json:"incomplete,omitempty"`
}

// Side is one side of a comparison.
type Side struct {
	Server   string `json:"server"`
	Database string `json:"database"`
	// State is ONLINE, or STANDBY for a closed source that was made readable.
	State string `json:"state"`
	// LSN is, of a source, the end of the tail-log backup that closed it; of a target the LSN to which it was recovered. In
	// decimal as RESTORE HEADERONLY shows it; "" where the server does not tell.
	LSN string `json:"lsn,omitempty"`
	// Pages is the digest over the database's pages before the tables were read, with the LSN at which it holds, of an
	// embedded instance; else "".
	Pages    string `json:"pages,omitempty"`
	PagesLSN string `json:"pagesLSN,omitempty"`
	// WentOn: its log grew while it was compared. What applications wrote may be the difference.
	WentOn bool `json:"wentOn,omitempty"`
}

// TablePair is one table.
type TablePair struct {
	// Name is schema.table.
	Name   string  `json:"name"`
	Source Content `json:"source"`
	Target Content `json:"target"`
	// Columns says how the columns differ; "" when they are the same.
	Columns string `json:"columns,omitempty"`
}

// Content is what one side has of a table.
type Content struct {
	Present bool  `json:"present"`
	Rows    int64 `json:"rows"`
	// Digest is the content digest of the package comment.
	Digest string `json:"digest,omitempty"`
}

// Equal tells whether both sides have the same rows.
func (p TablePair) Equal() bool { return p.Columns == "" && p.Source == p.Target }

// Equal tells whether the contents were compared and are the same.
func (c Comparison) Equal() bool { return c.Incomplete == "" && len(c.different()) == 0 }

func (c Comparison) different() []TablePair {
	return slices.DeleteFunc(slices.Clone(c.Tables), TablePair.Equal)
}

// shown is how many tables a sentence names.
const shown = 5

// String says the outcome in a sentence.
func (c Comparison) String() string {
	if c.Incomplete != "" {
		return c.Incomplete
	}
	var rows int64
	for _, p := range c.Tables {
		rows += p.Source.Rows
	}
	bad := c.different()
	if len(bad) == 0 {
		same := fmt.Sprintf("%d tables with %d rows are the same on both sides", len(c.Tables), rows)
		if c.Source.Pages != "" && c.Source.Pages == c.Target.Pages && c.Source.PagesLSN == c.Target.PagesLSN {
			same += ", and so is every page at LSN " + c.Source.PagesLSN
		}
		return same
	}
	var parts []string
	for _, p := range bad[:min(shown, len(bad))] {
		parts = append(parts, p.difference())
	}
	if more := len(bad) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	for _, x := range []struct {
		name string
		side Side
	}{{"source", c.Source}, {"target", c.Target}} {
		if x.side.WentOn {
			parts = append(parts, "the log of the "+x.name+" went on meanwhile: applications may have written there")
		}
	}
	return fmt.Sprintf("%d of %d tables differ: %s", len(bad), len(c.Tables), strings.Join(parts, "; "))
}

func (p TablePair) difference() string {
	switch {
	case !p.Target.Present:
		return p.Name + " is only on the source"
	case !p.Source.Present:
		return p.Name + " is only on the target"
	case p.Columns != "":
		return p.Name + ": " + p.Columns
	case p.Source.Rows != p.Target.Rows:
		return fmt.Sprintf("%s has %d rows on the source and %d on the target", p.Name, p.Source.Rows, p.Target.Rows)
	default:
		return fmt.Sprintf("%s has %d rows on both sides, and they differ", p.Name, p.Source.Rows)
	}
}

// tablesAtOnce is how many tables are read at once.
const tablesAtOnce = 4

// Compare reads every user table on both sides, each once and in the order in which it comes, and compares counts and
// content digests. A source that a tail-log backup closed is made readable (STANDBY: it still takes no writers) and left
// so. Nothing is kept in memory but one row per table being read. Errors are *flow.Hindrance at the side that failed.
func Compare(ctx context.Context, src *Server, srcDB string, dst *Server, dstDB string) (Comparison, error) {
	c := Comparison{Source: Side{Server: src.Name(), Database: srcDB}, Target: Side{Server: dst.Name(), Database: dstDB}}
	from, why, err := src.reader(ctx, srcDB, &c.Source, true)
	if err != nil {
		return c, src.trouble(ctx, "compare "+srcDB, err)
	}
	if from != nil {
		defer from.close()
	}
	to, refused, err := dst.reader(ctx, dstDB, &c.Target, false)
	if err == nil && to == nil {
		err = dst.hinder(fmt.Sprintf("compare %s: %s", dstDB, refused), "bring the target's database online")
	}
	if err != nil {
		return c, dst.trouble(ctx, "compare "+dstDB, err)
	}
	defer to.close()
	c.Incomplete = why
	j := &join{from: from, to: to}
	if err := j.list(ctx); err != nil {
		return c, err
	}
	if c.Tables, err = j.read(ctx); err != nil {
		return c, err
	}
	if from != nil {
		if c.Source.WentOn, err = from.wentOn(ctx); err != nil {
			return c, src.trouble(ctx, "compare "+srcDB, err)
		}
	}
	if c.Target.WentOn, err = to.wentOn(ctx); err != nil {
		return c, dst.trouble(ctx, "compare "+dstDB, err)
	}
	return c, nil
}

// join is a comparison on its way; from is nil when the source cannot be read.
type join struct {
	from, to *reader
	pairs    []*pairing
}

type pairing struct {
	TablePair
	source, target *table
}

// list pairs the tables of both sides.
func (j *join) list(ctx context.Context) error {
	left := map[string]*table{}
	var err error
	if j.from != nil {
		if left, err = tablesOf(ctx, j.from.client); err != nil {
			return j.from.server.trouble(ctx, "list the tables of "+j.from.database, err)
		}
	}
	right, err := tablesOf(ctx, j.to.client)
	if err != nil {
		return j.to.server.trouble(ctx, "list the tables of "+j.to.database, err)
	}
	for name, t := range left {
		p := &pairing{TablePair: TablePair{Name: name}, source: t, target: right[name]}
		if p.target != nil && p.target.shape() != t.shape() {
			p.Columns = fmt.Sprintf("its columns are (%s) on the source and (%s) on the target", t.shape(), p.target.shape())
		}
		j.pairs = append(j.pairs, p)
	}
	for name, t := range right {
		if left[name] == nil {
			j.pairs = append(j.pairs, &pairing{TablePair: TablePair{Name: name}, target: t})
		}
	}
	slices.SortFunc(j.pairs, func(a, b *pairing) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// read reads all tables, some at once. The first error ends it.
func (j *join) read(ctx context.Context) ([]TablePair, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *pairing)
	var readers sync.WaitGroup
	for range tablesAtOnce {
		readers.Go(func() {
			for p := range work {
				if err := j.both(ctx, p); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, p := range j.pairs {
		work <- p
	}
	close(work)
	readers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	out := make([]TablePair, len(j.pairs))
	for i, p := range j.pairs {
		out[i] = p.TablePair
	}
	return out, nil
}

// both reads a table on both sides at once.
func (j *join) both(ctx context.Context, p *pairing) error {
	if ctx.Err() != nil {
		return nil
	}
	var failed error
	var other sync.WaitGroup
	if p.source != nil {
		other.Go(func() { failed = j.from.content(ctx, p.source, &p.Source) })
	}
	var err error
	if p.target != nil {
		err = j.to.content(ctx, p.target, &p.Target)
	}
	other.Wait()
	if failed != nil {
		return failed
	}
	return err
}
