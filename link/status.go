package link

import (
	"context"
	"errors"
	"fmt"
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
	// Missing says what there is none of: "link", "group".
	Missing []string `json:"missing,omitempty"`
	// Unknown says what could not be read, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Healthy reports whether the copy is online and keeps up.
func (s Status) Healthy() bool {
	return len(s.Missing) == 0 && s.Connected == "CONNECTED" && s.Health == "HEALTHY" && s.TargetDatabase == "Online"
}

// Status asks both sides about a link. A side that does not answer is named in Unknown; the error is for none answering.
func (l *Linker) Status(ctx context.Context, s flow.Spec) (Status, error) {
	s, err := s.Normalize()
	if err != nil {
		return Status{}, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	out := Status{Link: s.DAG, Database: s.Database}
	errs := []error{l.instanceStatus(ctx, s, &out), l.sourceStatus(ctx, s, &out)}
	for i, side := range []string{"the managed instance", "SQL Server"} {
		if errs[i] != nil {
			out.Unknown = append(out.Unknown, side+": "+errs[i].Error())
		}
	}
	if errs[0] != nil && errs[1] != nil {
		return out, errors.Join(errs...)
	}
	return out, nil
}

func (l *Linker) instanceStatus(ctx context.Context, s flow.Spec, out *Status) error {
	found, err := l.arm.Link(ctx, s.Instance, s.DAG)
	if armclient.IsNotFound(err) {
		out.Missing = append(out.Missing, "link")
	} else if err != nil {
		return err
	}
	out.State = found.State
	for _, d := range found.DatabaseStates {
		out.Error, out.Hardened = d.MostRecentError, d.LastHardenedLSN
	}
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

func (l *Linker) sourceStatus(ctx context.Context, s flow.Spec, out *Status) error {
	if l.source == nil {
		return errors.New("not asked")
	}
	rows, err := l.source.Query(ctx, flow.RemoteReplica, s.DAG, s.InstanceAG)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		out.Missing = append(out.Missing, "group")
		return nil
	}
	out.Connected, out.Health = rows[0].Text("connected_state_desc"), rows[0].Text("synchronization_health_desc")
	if d := rows[0].Text("last_connect_error_description"); d != "" {
		out.LastConnectError = fmt.Sprintf("%d: %s", rows[0].Int("last_connect_error_number"), d)
	}
	if rows, err = l.source.Query(ctx, flow.RemoteDatabase, s.DAG); err != nil {
		return err
	}
	for _, r := range rows {
		out.Synchronization = r.Text("synchronization_state_desc")
		if v, ok := r["secondary_lag_seconds"].(int64); ok {
			out.LagSeconds = &v
		}
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

// List lists the links of a managed instance.
func (l *Linker) List(ctx context.Context, id armtypes.InstanceID) ([]armtypes.Link, error) {
	return l.arm.Links(ctx, id)
}
