package instance

import (
	"context"
	"slices"
	"strings"

	"linkspan/hadr/agcore"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// createGroup is CREATE AVAILABILITY GROUP in both forms.
func (in *Instance) createGroup(ctx context.Context, s *ast.CreateGroup, out sqlapi.ResultSink) error {
	if s.Listener != nil {
		return unsupported("LISTENER", "clients and links use the server's own address")
	}
	var messages []*sqlerr.Error
	var err error
	if s.Options.Distributed || len(s.Members) > 0 {
		messages, err = in.hadr.CreateDistributed(ctx, agcore.DistributedSpec{Name: s.Name, Distributed: s.Options.Distributed,
			OtherOptions: hasOtherOptions(s.Options), Members: memberSpecs(s.Members)})
	} else {
		messages, err = in.hadr.CreateGroup(ctx, agcore.GroupSpec{Name: s.Name, Databases: names(s.Databases),
			Replicas: replicaSpecs(s.Replicas), OptionSpec: optionSpec(s.Options)})
	}
	if err != nil && len(messages) > 0 { // the cause first, then what became of the group
		if serr := out.Message(sqlerr.From(err)); serr != nil {
			return serr
		}
		return messages[0]
	}
	if err != nil {
		return err
	}
	return send(out, messages)
}

// alterGroup is ALTER AVAILABILITY GROUP.
func (in *Instance) alterGroup(ctx context.Context, s *ast.AlterGroup) error {
	c := agcore.Change{Name: s.Name}
	switch s.Verb {
	case "SET":
		o := optionSpec(s.Options)
		c.Set = &o
	case "ADD DATABASE":
		c.AddDatabases = names(s.Databases)
	case "REMOVE DATABASE":
		c.RemoveDatabases = names(s.Databases)
	case "MODIFY REPLICA":
		c.ModifyReplicas = replicaSpecs(s.Replicas)
	case "MODIFY GROUP":
		c.ModifyMembers = memberSpecs(s.Members)
	case "GRANT", "DENY":
		granted := s.Verb == "GRANT"
		c.CreateAnyDatabase = &granted
	default:
		c.Unsupported = s.Verb
	}
	return in.hadr.AlterGroup(ctx, c)
}

// changesRoles tells the forms of ALTER AVAILABILITY GROUP that say who is primary: they take their time.
func changesRoles(s *ast.AlterGroup) bool {
	return s.Verb == "FAILOVER" || s.Verb == "FORCE_FAILOVER_ALLOW_DATA_LOSS" || s.Verb == "SET" && s.Options.Role != ""
}

// changeRoles runs them, and tells what a forced failover left out as far as that is known.
func (in *Instance) changeRoles(ctx context.Context, s *ast.AlterGroup, out sqlapi.ResultSink) error {
	change := in.hadr.Failover
	switch {
	case s.Verb == "FORCE_FAILOVER_ALLOW_DATA_LOSS":
		change = in.hadr.ForceFailover
	case s.Verb == "SET":
		change = in.hadr.SetRoleSecondary
	}
	before, _ := in.hadr.Link(s.Name)
	if err := change(ctx, s.Name); err != nil {
		return err
	}
	after, _ := in.hadr.Link(s.Name)
	if m := after.LossMessage(); m != nil && s.Verb != "FAILOVER" && (before.Loss == nil || *before.Loss != *after.Loss) {
		return out.Message(m)
	}
	return nil
}

// distributedSpec is CREATE and JOIN of a distributed group.
func distributedSpec(name string, members []ast.GroupMember) agcore.DistributedSpec {
	return agcore.DistributedSpec{Name: name, Distributed: true, Members: memberSpecs(members)}
}

func names(ids []ast.Ident) []string {
	var out []string
	for _, id := range ids {
		out = append(out, id.Name)
	}
	return out
}

// hasOtherOptions tells whether something besides DISTRIBUTED stood after WITH.
func hasOtherOptions(o ast.GroupOptions) bool {
	return o.BackupPreference != "" || o.FailureLevel != nil || o.HealthTimeout != nil || o.DBFailover != "" ||
		o.DTCSupport != "" || o.Basic || o.Contained || o.RequiredSync != nil || o.ClusterType != ""
}

func optionSpec(o ast.GroupOptions) agcore.OptionSpec {
	s := agcore.OptionSpec{
		BackupPreference: chosen(o.BackupPreference, map[string]agcore.BackupPreference{"PRIMARY": agcore.BackupPrimary,
			"SECONDARY_ONLY": agcore.BackupSecondaryOnly, "SECONDARY": agcore.BackupSecondary, "NONE": agcore.BackupNone}),
		FailureLevel: number[int](o.FailureLevel), HealthCheckTimeout: o.HealthTimeout, RequiredSync: number[int](o.RequiredSync),
		DBFailover: chosen(o.DBFailover, map[string]bool{"ON": true, "OFF": false}),
		DTCPerDB:   chosen(o.DTCSupport, map[string]bool{"PER_DB": true, "NONE": false}),
		ClusterType: chosen(o.ClusterType, map[string]agcore.ClusterType{"WSFC": agcore.ClusterWSFC,
			"EXTERNAL": agcore.ClusterExternal, "NONE": agcore.ClusterNone}),
	}
	if o.Basic {
		s.Basic = &o.Basic
	}
	if o.Contained {
		s.Contained = &o.Contained
	}
	return s
}

// chosen maps a keyword to its value, nil when it was not said.
func chosen[T any](word string, values map[string]T) *T {
	if v, ok := values[word]; ok {
		return &v
	}
	return nil
}

// number narrows a literal, nil when it was not said; the checks see a wrong one as it is.
func number[T ~int](n *int64) *T {
	if n == nil {
		return nil
	}
	v := T(*n)
	return &v
}

var (
	availabilityModes = map[string]agcore.AvailabilityMode{"SYNCHRONOUS_COMMIT": agcore.Synchronous,
		"ASYNCHRONOUS_COMMIT": agcore.Asynchronous, "CONFIGURATION_ONLY": agcore.ConfigurationOnly}
	failoverModes = map[string]agcore.FailoverMode{"AUTOMATIC": agcore.FailoverAutomatic, "MANUAL": agcore.FailoverManual,
		"EXTERNAL": agcore.FailoverExternal}
	seedingModes = map[string]agcore.SeedingMode{"AUTOMATIC": agcore.SeedingAutomatic, "MANUAL": agcore.SeedingManual}
)

func replicaSpecs(list []ast.Replica) []agcore.ReplicaSpec {
	var out []agcore.ReplicaSpec
	for _, r := range list {
		out = append(out, agcore.ReplicaSpec{
			Name: r.Server, EndpointURL: r.EndpointURL, Mode: chosen(r.AvailabilityMode, availabilityModes),
			Failover: chosen(r.FailoverMode, failoverModes), Seeding: chosen(r.SeedingMode, seedingModes),
			SessionTimeout: number[int](r.SessionTimeout), BackupPriority: number[int](r.BackupPriority),
			SecondaryAccess: chosen(r.SecondaryConnections, map[string]agcore.SecondaryAccess{"NO": agcore.SecondaryNo,
				"READ_ONLY": agcore.SecondaryReadOnly, "ALL": agcore.SecondaryAll}),
			PrimaryAccess: chosen(r.PrimaryConnections, map[string]agcore.PrimaryAccess{"ALL": agcore.PrimaryAll,
				"READ_WRITE": agcore.PrimaryReadWrite}),
			ReadOnlyRouting: r.SecondaryReadOnlyURL, WriteRouting: r.PrimaryReadWriteURL,
		})
	}
	return out
}

func memberSpecs(list []ast.GroupMember) []agcore.MemberSpec {
	var out []agcore.MemberSpec
	for _, m := range list {
		out = append(out, agcore.MemberSpec{Name: m.Name, ListenerURL: m.ListenerURL, Mode: chosen(m.AvailabilityMode, availabilityModes),
			Failover: chosen(m.FailoverMode, failoverModes), Seeding: chosen(m.SeedingMode, seedingModes),
			SessionTimeout: number[int](m.SessionTimeout)})
	}
	return out
}

// joinGroup is ALTER AVAILABILITY GROUP … JOIN AVAILABILITY GROUP ON.
func (in *Instance) joinGroup(ctx context.Context, s *ast.AlterGroup, out sqlapi.ResultSink) error {
	messages, err := in.hadr.JoinDistributed(ctx, distributedSpec(s.Name, s.Members))
	if err != nil {
		return err
	}
	return send(out, messages)
}

// hasGroup tells whether there is an availability group of a name, distributed or not.
func (in *Instance) hasGroup(ctx context.Context, name string) bool {
	v := in.views.View("sys", "availability_groups")
	if v == nil {
		return false
	}
	for row, err := range v.Rows(ctx, rel.Scope{}) {
		if err == nil && strings.EqualFold(row[slices.IndexFunc(v.Columns, func(c sqlapi.Column) bool { return c.Name == "name" })].S, name) {
			return true
		}
	}
	return false
}
