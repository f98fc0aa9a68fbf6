package flow

import (
	"fmt"
	"strings"

	"linkspan/armtypes"
)

// Facts are what both sides say of a link; what a side did not say is the zero value.
type Facts struct {
	DAG, Database string
	// SourceRole and TargetRole are PRIMARY or SECONDARY.
	SourceRole, TargetRole string
	// Source and Target are the rows of LinkFacts, nil where there is no such view.
	Source, Target Row
	// State and Trouble are the link's state and last error by the management API.
	State, Trouble string
	// Suspended is why SQL Server shows data movement as suspended, "" when it does not.
	Suspended string
	// LogReuse is what SQL Server's log waits for; Connected tells that the sides are.
	LogReuse  string
	Connected bool
}

// Finding is something about a link that its keeper should know.
type Finding struct {
	// ID names the kind: split-brain, divergence, …
	ID string `json:"id"`
	// Text says what is, Fix what to do; Fix is "" where nothing has to be done.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
	// Broken tells that the link does not do its work.
	Broken bool `json:"broken"`
}

// Explain says what stands in the way, and which command decides.
func Explain(f Facts) []Finding {
	var out []Finding
	add := func(broken bool, id, fix, format string, args ...any) {
		out = append(out, Finding{id, fmt.Sprintf(format, args...), fix, broken})
	}
	f.explainRoles(add)
	for _, side := range []struct {
		name string
		row  Row
	}{{"SQL Server", f.Source}, {"the managed instance", f.Target}} {
		if side.row != nil {
			f.explainSide(add, side.name, side.row)
		}
	}
	switch {
	case f.Suspended != "" && f.Source.Text("reason") == "" && f.Target.Text("reason") == "":
		add(true, "suspended", resume(f.Database), "data movement is suspended (%s)", f.Suspended)
	case failed(f.State) || f.State == armtypes.LinkFailoverError && len(out) == 0:
		add(true, "state", "", "the managed instance shows the link as %s: %s", f.State, known(f.Trouble))
	}
	if f.LogReuse == "AVAILABILITY_REPLICA" && !f.Connected {
		add(false, "retention", "bring the other side back, or end the link before the log is full (DBCC SQLPERF(LOGSPACE), error 9002)",
			"SQL Server keeps log for the copy, which does not take it")
	}
	return out
}

type adder = func(broken bool, id, fix, format string, args ...any)

func (f *Facts) explainRoles(add adder) {
	switch {
	case f.SourceRole == rolePrimary && f.TargetRole == rolePrimary:
		outlived := ""
		for _, side := range []struct {
			name string
			row  Row
		}{{"SQL Server", f.Source}, {"the managed instance", f.Target}} {
			if e := side.row.Int("outdated_by_epoch"); e > 0 {
				outlived = fmt.Sprintf("; %s was outlived by epoch %d and takes no writes", side.name, e)
			}
		}
		add(true, "split-brain", decidingCommand(f.DAG), "both sides are primary after a forced failover%s", outlived)
	case f.SourceRole == roleSecondary && f.TargetRole == roleSecondary && f.Source.Text("failover_phase")+f.Target.Text("failover_phase") == "":
		add(true, "no-primary", "wait until they have met; or "+openingCommand(f.DAG), "neither side is primary: a failover broke off")
	}
}

func resume(database string) string {
	return "ALTER DATABASE " + quoteName(database) + " SET HADR RESUME"
}

// explainSide tells what one side's own view says.
func (f *Facts) explainSide(add adder, name string, r Row) {
	if p := r.Text("failover_phase"); p != "" {
		add(false, "failover", "", "%s is changing roles: %s", name, strings.ToLower(p))
	} else if r.Int("is_fenced") != 0 {
		add(true, "fenced", "wait until the sides meet; or "+openingCommand(f.DAG), "%s has given the primary role away and does not know yet whether the other side took it: it takes no writes", name)
	}
	switch d, why := r.Text("divergence"), r.Text("reason"); {
	case d != "":
		add(true, "divergence", resume(f.Database)+" fetches the pages that differ from the primary", "the copy on %s differs from the primary: %s", name, d)
	case why != "":
		add(true, "suspended", resume(f.Database), "data movement is stopped on %s: %s", name, why)
	}
	f.explainLoss(add, name, r)
}

// measured reports whether a side knows what the last forced failover left out.
func measured(r Row) bool {
	_, ok := r["loss_rows"].(int64)
	return ok
}

// explainLoss tells what the last forced failover left out.
func (f *Facts) explainLoss(add adder, name string, r Row) {
	at := r.Time("loss_time")
	if at.IsZero() {
		return
	}
	when := at.Format("2006-01-02 15:04:05")
	if !measured(r) {
		if measured(f.Source) || measured(f.Target) {
			return // the other side tells
		}
		add(false, "loss", "bring the old primary back: "+decidingCommand(f.DAG), "the forced failover of %s opened %s at LSN %s: what the old primary had after that is missing, and is measured when it returns",
			when, name, known(r.Text("loss_end")))
		return
	}
	file, fix := r.Text("loss_file"), ""
	if file != "" {
		fix = "linkspan log rescue " + file + " (--sql for statements)"
		file = ", kept in " + file
	}
	if r.Int("loss_is_partial") != 0 {
		add(false, "loss", fix, "the forced failover of %s: %s had %d rows of %d tables, up to LSN %s, that the new primary had not, or had otherwise, when they were compared; "+
			"its log did not reach back to where they went apart, so rows that the new primary changed are among them%s", when, name, r.Int("loss_rows"), r.Int("loss_tables"), known(r.Text("loss_tail")), file)
		return
	}
	add(false, "loss", fix, "the forced failover of %s left out %d rows of %d tables that only %s had, LSN %s to %s%s", when, r.Int("loss_rows"), r.Int("loss_tables"), name,
		known(r.Text("loss_fork")), known(r.Text("loss_tail")), file)
}
