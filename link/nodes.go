package link

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/link/flow"
	"linkspan/sqlclient"
)

// Source is SQL Server as the orchestrator needs it.
type Source interface {
	// Query runs one batch in master, with args bound as @p1, @p2, …, and gives the rows of its first result set. SQL
	// errors are *sqlerr.Error.
	Query(ctx context.Context, text string, args ...any) ([]flow.Row, error)
}

// Management is the management API as the orchestrator needs it; *armclient.Client is one.
type Management interface {
	Instance(ctx context.Context, id armtypes.InstanceID) (armtypes.ManagedInstance, error)
	Databases(ctx context.Context, id armtypes.InstanceID) ([]armtypes.ManagedDatabase, error)
	TrustCertificates(ctx context.Context, id armtypes.InstanceID) ([]armtypes.ServerTrustCertificate, error)
	PutTrustCertificate(ctx context.Context, id armtypes.InstanceID, name string, cert *x509.Certificate) error
	EndpointCertificate(ctx context.Context, id armtypes.InstanceID) (*x509.Certificate, error)
	Links(ctx context.Context, id armtypes.InstanceID) ([]armtypes.Link, error)
	Link(ctx context.Context, id armtypes.InstanceID, name string) (armtypes.Link, error)
	PutLink(ctx context.Context, id armtypes.InstanceID, s armtypes.LinkSpec) error
	DeleteLink(ctx context.Context, id armtypes.InstanceID, name string) error
	// FailoverLink changes the roles; failoverType is armtypes.Planned or armtypes.ForcedAllowDataLoss.
	FailoverLink(ctx context.Context, id armtypes.InstanceID, name, failoverType string) error
}

// sqlSource is a Source over T-SQL.
type sqlSource struct{ client *sqlclient.Client }

// Query implements Source.
func (s sqlSource) Query(ctx context.Context, text string, args ...any) ([]flow.Row, error) {
	r, err := s.client.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	set := r.First()
	rows := make([]flow.Row, len(set.Rows))
	for i, values := range set.Rows {
		rows[i] = make(flow.Row, len(values))
		for j, v := range values {
			rows[i][strings.ToLower(set.Columns[j])] = v
		}
	}
	return rows, nil
}

// perform makes one call and gives its answer. What goes wrong with an optional one is in the answer.
func (l *Linker) perform(ctx context.Context, c flow.Call) (flow.Answer, error) {
	within := ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	a, err := l.send(within, c)
	if c.Optional && err != nil && ctx.Err() == nil {
		return flow.Answer{Err: err}, nil
	}
	return a, err
}

func (l *Linker) send(ctx context.Context, c flow.Call) (a flow.Answer, err error) {
	if c.SQL != "" {
		to, name := l.source, "SQL Server"
		if c.OnTarget {
			to, name = l.o.Target, "login to the managed instance"
		}
		if to == nil {
			return a, fmt.Errorf("run T-SQL: no %s is named", name)
		}
		a.Rows, err = to.Query(ctx, c.SQL, c.Args...)
		return a, err
	}
	switch c.Op {
	case flow.GetInstance:
		a.Instance, err = l.arm.Instance(ctx, c.Instance)
	case flow.ListDatabases:
		a.Databases, err = l.arm.Databases(ctx, c.Instance)
	case flow.ListTrust:
		a.Trust, err = l.arm.TrustCertificates(ctx, c.Instance)
	case flow.GetEndpointCertificate:
		var cert *x509.Certificate
		if cert, err = l.arm.EndpointCertificate(ctx, c.Instance); err == nil {
			a.Certificate = cert.Raw
		}
	case flow.GetLink:
		var found armtypes.Link
		if found, err = l.arm.Link(ctx, c.Instance, c.Name); err == nil {
			a.Link = &found
		} else if armclient.IsNotFound(err) {
			err = nil
		}
	case flow.PutTrust:
		var cert *x509.Certificate
		if cert, err = armtypes.ParseCertificate(c.DER); err == nil {
			err = l.arm.PutTrustCertificate(ctx, c.Instance, c.Name, cert)
		}
	case flow.PutLink:
		err = l.arm.PutLink(ctx, c.Instance, c.Link)
	case flow.DeleteLink:
		err = l.arm.DeleteLink(ctx, c.Instance, c.Name)
	case flow.FailoverLink:
		err = l.arm.FailoverLink(ctx, c.Instance, c.Name, armtypes.Planned)
	case flow.ForceLink:
		err = l.arm.FailoverLink(ctx, c.Instance, c.Name, armtypes.ForcedAllowDataLoss)
	default:
		err = fmt.Errorf("unknown call %d", c.Op)
	}
	return a, err
}
