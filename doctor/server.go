package doctor

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"linkspan/internal/clock"
	"linkspan/link/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// server is what one server said over T-SQL.
type server struct {
	// name is @@SERVERNAME, or the address until it is known.
	name string
	// asked tells whether there was somebody to ask; err is why there was no answer.
	asked    bool
	err      error
	hadr     bool
	sysadmin bool
	// skew is its clock against this machine's, its own round trip taken into account.
	skew         time.Duration
	endpoint     *endpointFacts
	certificates []certificateFacts
	members      []memberFacts
	databases    map[string][]string // by group, lower case
	stages       map[string][]stage  // by link
	untested     bool                // it has no procedure to test a link
	// divergence is, by link, what the server says of pages in which its copy differs from the primary's.
	divergence map[string]string
}

type endpointFacts struct {
	name, state, auth, algorithm, certificate string
	encrypted                                 bool
	port                                      int
}

// certificateFacts are a certificate's; print is its thumbprint in lower-case hexadecimal.
type certificateFacts struct {
	name, print, key string
	start, end       time.Time
}

// memberFacts are one member of a distributed group, with what is known of its connection.
type memberFacts struct {
	group, name, url  string
	local             bool
	connected, health string
	faultNumber       int64
	fault             string
}

type stage struct {
	name, detail string
	ok           bool
	number       int64
}

// asker runs queries on one server.
type asker struct{ client *sqlclient.Client }

func (a asker) rows(ctx context.Context, text string, args ...any) ([]flow.Row, error) {
	r, err := a.client.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	set := r.First()
	out := make([]flow.Row, len(set.Rows))
	for i, values := range set.Rows {
		out[i] = make(flow.Row, len(values))
		for j, v := range values {
			out[i][strings.ToLower(set.Columns[j])] = v
		}
	}
	return out, nil
}

const (
	serverQuery = "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)) AS name, CAST(SERVERPROPERTY('IsHadrEnabled') AS int) AS hadr, " +
		"IS_SRVROLEMEMBER('sysadmin') AS sysadmin, SYSUTCDATETIME() AS now"
	endpointQuery = "SELECT e.name, e.state_desc, e.connection_auth_desc, e.is_encryption_enabled, e.encryption_algorithm_desc, c.name AS certificate, t.port " +
		"FROM sys.database_mirroring_endpoints e LEFT JOIN sys.certificates c ON c.certificate_id = e.certificate_id LEFT JOIN sys.tcp_endpoints t ON t.endpoint_id = e.endpoint_id"
	certificateQuery = "SELECT name, thumbprint, pvt_key_encryption_type, start_date, expiry_date FROM sys.certificates"
	memberQuery      = "SELECT g.name AS grp, r.replica_server_name AS member, r.endpoint_url, s.is_local, s.connected_state_desc, s.synchronization_health_desc, " +
		"s.last_connect_error_number, s.last_connect_error_description FROM sys.availability_groups g JOIN sys.availability_replicas r ON r.group_id = g.group_id " +
		"LEFT JOIN sys.dm_hadr_availability_replica_states s ON s.replica_id = r.replica_id WHERE g.is_distributed = 1"
	databaseQuery = "SELECT g.name AS grp, d.database_name FROM sys.availability_groups g JOIN sys.availability_databases_cluster d ON d.group_id = g.group_id"
)

// ask connects and asks everything that does not depend on a link.
func ask(ctx context.Context, t sqlclient.Target, clk clock.Clock) (server, asker) {
	s := server{name: net.JoinHostPort(t.Address, fmt.Sprint(max(t.Port, 1))), asked: true, databases: map[string][]string{}, stages: map[string][]stage{}, divergence: map[string]string{}}
	t.DialTimeout = 2 * portTimeout
	client, err := sqlclient.Open(ctx, t)
	if err != nil {
		s.err = err
		return s, asker{}
	}
	a := asker{client}
	for _, f := range []func() error{
		func() error { return s.askServer(ctx, a, clk) },
		func() error { return s.askTrust(ctx, a) },
		func() error { return s.askGroups(ctx, a) },
	} {
		if s.err = f(); s.err != nil {
			break
		}
	}
	return s, a
}

func (s *server) askServer(ctx context.Context, a asker, clk clock.Clock) error {
	sent := clk.Now()
	rows, err := a.rows(ctx, serverQuery)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return errors.New("the server does not say who it is")
	}
	middle := sent.Add(clk.Now().Sub(sent) / 2)
	r := rows[0]
	s.name, s.hadr, s.sysadmin = r.Text("name"), r["hadr"] == nil || r.Int("hadr") != 0, r.Int("sysadmin") != 0
	if now := r.Time("now"); !now.IsZero() {
		s.skew = now.Sub(middle)
	}
	return nil
}

func (s *server) askTrust(ctx context.Context, a asker) error {
	rows, err := a.rows(ctx, endpointQuery)
	if err != nil {
		return err
	}
	for _, r := range rows {
		s.endpoint = &endpointFacts{name: r.Text("name"), state: r.Text("state_desc"), auth: r.Text("connection_auth_desc"),
			algorithm: r.Text("encryption_algorithm_desc"), certificate: r.Text("certificate"), encrypted: r.Int("is_encryption_enabled") != 0, port: int(r.Int("port"))}
	}
	if rows, err = a.rows(ctx, certificateQuery); err != nil {
		return err
	}
	for _, r := range rows {
		s.certificates = append(s.certificates, certificateFacts{name: r.Text("name"), print: hex.EncodeToString(r.Bytes("thumbprint")),
			key: strings.TrimSpace(r.Text("pvt_key_encryption_type")), start: r.Time("start_date"), end: r.Time("expiry_date")})
	}
	return nil
}

func (s *server) askGroups(ctx context.Context, a asker) error {
	rows, err := a.rows(ctx, memberQuery)
	if err != nil {
		return err
	}
	for _, r := range rows {
		s.members = append(s.members, memberFacts{group: r.Text("grp"), name: r.Text("member"), url: r.Text("endpoint_url"), local: r.Int("is_local") != 0,
			connected: r.Text("connected_state_desc"), health: r.Text("synchronization_health_desc"),
			faultNumber: r.Int("last_connect_error_number"), fault: r.Text("last_connect_error_description")})
	}
	if rows, err = a.rows(ctx, databaseQuery); err != nil {
		return err
	}
	for _, r := range rows {
		g := strings.ToLower(r.Text("grp"))
		s.databases[g] = append(s.databases[g], r.Text("database_name"))
	}
	return nil
}

// testLink has the server itself try the way to the other side: of the link if it knows it, otherwise to the URL.
func (s *server) testLink(ctx context.Context, a asker, dag, url string) {
	if s.err != nil || a.client == nil {
		return
	}
	text, arg := "EXEC sp_linkspan_test_link @url = @p1", url
	if s.member(dag, false) != nil {
		text, arg = "EXEC sp_linkspan_test_link @link = @p1", dag
	}
	rows, err := a.rows(ctx, text, arg)
	var e *sqlerr.Error
	if errors.As(err, &e) && e.Number == 2812 {
		s.untested = true
		return
	}
	if err != nil {
		s.stages[dag] = []stage{{name: "TEST", detail: err.Error()}}
		return
	}
	for _, r := range rows {
		s.stages[dag] = append(s.stages[dag], stage{name: r.Text("stage"), detail: r.Text("detail"), ok: r.Text("result") == "OK", number: r.Int("number")})
	}
}

// divergenceQuery asks an embedded instance; other servers have no such view, and prove no pages equal.
const divergenceQuery = "SELECT divergence FROM sys.dm_linkspan_links WHERE link_name = @p1 AND divergence IS NOT NULL"

// askDivergence asks whether the server has found its copy to differ.
func (s *server) askDivergence(ctx context.Context, a asker, dag string) {
	if s.err != nil || a.client == nil {
		return
	}
	if rows, err := a.rows(ctx, divergenceQuery, dag); err == nil && len(rows) > 0 {
		s.divergence[dag] = rows[0].Text("divergence")
	}
}

// member finds the local or the remote member of a distributed group.
func (s *server) member(dag string, local bool) *memberFacts {
	for i := range s.members {
		if m := &s.members[i]; strings.EqualFold(m.group, dag) && m.local == local {
			return m
		}
	}
	return nil
}

// shown is the certificate that the endpoint shows, or nil.
func (s *server) shown() *certificateFacts {
	if s.endpoint == nil {
		return nil
	}
	return s.certificate(s.endpoint.certificate)
}

func (s *server) certificate(name string) *certificateFacts {
	for i := range s.certificates {
		if strings.EqualFold(s.certificates[i].name, name) {
			return &s.certificates[i]
		}
	}
	return nil
}

// holding finds an imported certificate by its thumbprint.
func (s *server) holding(print string) *certificateFacts {
	for i := range s.certificates {
		if s.certificates[i].print == print && print != "" {
			return &s.certificates[i]
		}
	}
	return nil
}

// untrusted reports whether an error is about a TLS certificate.
func untrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || strings.Contains(err.Error(), "x509:") || strings.Contains(err.Error(), "tls: failed to verify")
}
