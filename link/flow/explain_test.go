package flow_test

import (
	"strings"
	"testing"
	"time"

	"linkspan/link/flow"
)

// Each trouble is named with the command that decides, on whichever side it is seen.
func TestExplain(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	lost := flow.Row{"loss_time": at, "loss_end": "1000000000200001"}
	measured := flow.Row{"loss_time": at, "loss_rows": int64(3), "loss_tables": int64(1), "loss_fork": "1", "loss_tail": "2", "loss_file": "/srv/rescue/db1.rescue"}
	for name, c := range map[string]struct {
		facts  flow.Facts
		id     string
		broken bool
		says   []string
	}{
		"all is well": {flow.Facts{SourceRole: "PRIMARY", TargetRole: "SECONDARY", Source: flow.Row{}, Target: flow.Row{}, Connected: true, LogReuse: "AVAILABILITY_REPLICA"}, "", false, nil},
		"split brain": {flow.Facts{SourceRole: "PRIMARY", TargetRole: "PRIMARY", Source: flow.Row{"outdated_by_epoch": int64(2)}}, "split-brain", true,
			[]string{"SQL Server was outlived by epoch 2", "ALTER AVAILABILITY GROUP [DAG_x]]y] SET (ROLE = SECONDARY)", "setRole"}},
		"neither side":        {flow.Facts{SourceRole: "SECONDARY", TargetRole: "SECONDARY"}, "no-primary", true, []string{"[DAG_x]]y] FORCE_FAILOVER_ALLOW_DATA_LOSS"}},
		"on its way":          {flow.Facts{SourceRole: "SECONDARY", TargetRole: "SECONDARY", Target: flow.Row{"failover_phase": "OPENING"}}, "failover", false, []string{"changing roles: opening"}},
		"fenced":              {flow.Facts{SourceRole: "PRIMARY", Source: flow.Row{"is_fenced": true}}, "fenced", true, []string{"SQL Server has given the primary role away", "FORCE_FAILOVER_ALLOW_DATA_LOSS"}},
		"divergence":          {flow.Facts{Target: flow.Row{"divergence": "page 17 (table dbo.t)", "reason": "SUSPEND_FROM_REDO"}}, "divergence", true, []string{"the managed instance", "page 17 (table dbo.t)", "SET HADR RESUME"}},
		"suspended":           {flow.Facts{Source: flow.Row{"reason": "SUSPEND_FROM_USER"}, Suspended: "SUSPEND_FROM_USER"}, "suspended", true, []string{"ALTER DATABASE [db]]1] SET HADR RESUME"}},
		"suspended elsewhere": {flow.Facts{Suspended: "SUSPEND_FROM_REDO"}, "suspended", true, []string{"SUSPEND_FROM_REDO"}},
		"loss not measured":   {flow.Facts{Target: lost}, "loss", false, []string{"2026-03-14 09:26:53", "LSN 1000000000200001", "measured when it returns"}},
		"loss measured":       {flow.Facts{Source: measured, Target: lost}, "loss", false, []string{"3 rows of 1 tables", "linkspan log rescue /srv/rescue/db1.rescue"}},
		"log is kept":         {flow.Facts{SourceRole: "PRIMARY", LogReuse: "AVAILABILITY_REPLICA"}, "retention", false, []string{"9002"}},
		"failed state":        {flow.Facts{State: "LinkCreationError", Trouble: "41976"}, "state", true, []string{"LinkCreationError: 41976"}},
	} {
		c.facts.DAG, c.facts.Database = "DAG_x]y", "db]1"
		found := flow.Explain(c.facts)
		if c.id == "" {
			if len(found) != 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].ID != c.id || found[0].Broken != c.broken {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(found[0].Text+" → "+found[0].Fix, s) {
				t.Errorf("%s: %+v lacks %q", name, found[0], s)
			}
		}
	}
}
