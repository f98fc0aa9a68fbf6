package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/link/flow"
	"linkspan/sqlerr"
)

// Status is a link as both sides see it now. Fields of a side that was not asked or did not answer are empty.
type Status struct {
	Link     string `json:"link"`
	Database string `json:"database"`
	// State and TargetDatabase are the managed instance's view: LinkSynchronizing, … and Online, Restoring, …
	State          string `json:"state"`
	TargetDatabase string `json:"targetDatabase,omitempty"`
	// Error is the number of the last error on the managed instance.
	Error string `json:"error,omitempty"`
	// Connected, Health and LastConnectError are SQL Server's view of the managed instance.
	Connected        string `json:"connected,omitempty"`
	Health           string `json:"health,omitempty"`
	LastConnectError string `json:"lastConnectError,omitempty"`
	// Synchronization is SYNCHRONIZING, …; LagSeconds how far the copy is behind by SQL Server's count.
	Synchronization string `json:"synchronization,omitempty"`
	LagSeconds      *int64 `json:"lagSeconds,omitempty"`
	// Hardened is the position up to which the copy is durable, as the management API prints it.
	Hardened string `json:"hardened,omitempty"`
	// Seeding is the state of the last automatic seeding.
	Seeding string `json:"seeding,omitempty"`
	// SourceRole and TargetRole are PRIMARY or SECONDARY.
	SourceRole string `json:"sourceRole,omitempty"`
	TargetRole string `json:"targetRole,omitempty"`
	// Findings are what stands in the way, with the command that decides.
	Findings []flow.Finding `json:"findings,omitempty"`
	// Missing says what there is none of: "link", "group".
	Missing []string `json:"missing,omitempty"`
	// Unknown says what could not be read, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Healthy reports whether the copy is online and keeps up.
func (s Status) Healthy() bool {
	if slices.ContainsFunc(s.Findings, func(f flow.Finding) bool { return f.Broken }) {
		return false
	}
	return len(s.Missing) == 0 && s.Connected == "CONNECTED" && s.Health == "HEALTHY" && s.TargetDatabase == "Online"
}

// Status asks both sides about a link. A side that does not answer is named in Unknown; the error is for none answering.
func (l *Linker) Status(ctx context.Context, s flow.Spec) (Status, error) {
	s, err := s.Normalize()
	if err != nil {
		return Status{}, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	out := Status{Link: s.DAG, Database: s.Database}
	facts := flow.Facts{DAG: s.DAG, Database: s.Database}
	errs := []error{l.instanceStatus(ctx, s, &out, &facts), l.sourceStatus(ctx, s, &out, &facts)}
	for i, side := range []string{"the managed instance", "SQL Server"} {
		if errs[i] != nil {
			out.Unknown = append(out.Unknown, side+": "+errs[i].Error())
		}
	}
	if errs[0] != nil && errs[1] != nil {
		return out, errors.Join(errs...)
	}
	facts.SourceRole, facts.TargetRole, facts.Connected = out.SourceRole, out.TargetRole, out.Connected == "CONNECTED"
	out.Findings = flow.Explain(facts)
	return out, nil
}

func (l *Linker) instanceStatus(ctx context.Context, s flow.Spec, out *Status, facts *flow.Facts) error {
	found, err := l.arm.Link(ctx, s.Instance, s.DAG)
	if armclient.IsNotFound(err) {
		out.Missing = append(out.Missing, "link")
	} else if err != nil {
		return err
	}
	out.State = found.State
	if err == nil {
		out.TargetRole = strings.ToUpper(found.InstanceRole)
	}
	for _, d := range found.DatabaseStates {
		out.Error, out.Hardened = d.MostRecentError, d.LastHardenedLSN
	}
	facts.State, facts.Trouble = out.State, out.Error
	facts.Target = l.linkFacts(ctx, s, true)
	all, err := l.arm.Databases(ctx, s.Instance)
	if err != nil {
		return err
	}
	for _, d := range all {
		if strings.EqualFold(d.Name, s.Database) {
			out.TargetDatabase = d.Properties.Status
		}
	}
	return nil
}

// linkFacts asks a side for what only an embedded instance shows; nil when it does not.
func (l *Linker) linkFacts(ctx context.Context, s flow.Spec, onTarget bool) flow.Row {
	a, err := l.perform(ctx, flow.Call{SQL: flow.LinkFacts, Args: []any{s.DAG}, OnTarget: onTarget, Optional: true})
	if err != nil || len(a.Rows) != 1 {
		return nil
	}
	return a.Rows[0]
}

func (l *Linker) sourceStatus(ctx context.Context, s flow.Spec, out *Status, facts *flow.Facts) error {
	if l.source == nil {
		return errors.New("not asked")
	}
	rows, err := l.source.Query(ctx, flow.LocalRole, s.DAG)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		out.Missing = append(out.Missing, "group")
		return nil
	}
	out.SourceRole = rows[0].Text("role_desc")
	if out.SourceRole != "SECONDARY" { // a primary shows its partner, a copy only itself
		if rows, err = l.source.Query(ctx, flow.RemoteReplica, s.DAG, s.InstanceAG); err != nil {
			return err
		}
	}
	for _, r := range rows {
		out.Connected, out.Health = r.Text("connected_state_desc"), r.Text("synchronization_health_desc")
		if d := r.Text("last_connect_error_description"); d != "" {
			out.LastConnectError = fmt.Sprintf("%d: %s", r.Int("last_connect_error_number"), d)
		}
	}
	if err := l.sourceDatabase(ctx, s, out, facts); err != nil {
		return err
	}
	if rows, err = l.source.Query(ctx, flow.Seeding, s.AG, s.DAG); err != nil {
		var sql *sqlerr.Error
		if errors.As(err, &sql) {
			return nil // the view is a convenience, and older servers lack it
		}
		return err
	}
	for _, r := range rows {
		out.Seeding = r.Text("current_state")
	}
	return nil
}

// sourceDatabase reads how the copy stands, whichever side that is on.
func (l *Linker) sourceDatabase(ctx context.Context, s flow.Spec, out *Status, facts *flow.Facts) error {
	rows, err := l.source.Query(ctx, flow.DatabaseStates, s.DAG)
	if err != nil {
		return err
	}
	copyIsLocal := int64(0)
	if out.SourceRole == "SECONDARY" {
		copyIsLocal = 1
	}
	for _, r := range rows {
		if r.Int("is_suspended") != 0 {
			facts.Suspended = r.Text("suspend_reason_desc")
		}
		if r.Int("is_local") != copyIsLocal {
			continue
		}
		out.Synchronization = r.Text("synchronization_state_desc")
		if v, ok := r["secondary_lag_seconds"].(int64); ok {
			out.LagSeconds = &v
		}
	}
	facts.Source = l.linkFacts(ctx, s, false)
	a, err := l.perform(ctx, flow.Call{SQL: flow.LogReuse, Args: []any{s.Database}, Optional: true})
	for _, r := range a.Rows {
		facts.LogReuse = r.Text("log_reuse_wait_desc")
	}
	return err
}

// List lists the links of a managed instance.
func (l *Linker) List(ctx context.Context, id armtypes.InstanceID) ([]armtypes.Link, error) {
	return l.arm.Links(ctx, id)
}
