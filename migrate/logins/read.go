package logins

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// side is the connection to one server; it is made when it is needed.
type side struct {
	open  Opener
	at    flow.Place
	clock clock.Clock

	mu     sync.Mutex // protects what follows
	client *sqlclient.Client
	about  about
}

// about is what does not change while a server runs.
type about struct {
	known, folds bool
	major        int
}

const askAbout = "SELECT CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY(N'Collation') AS nvarchar(128)), IS_SRVROLEMEMBER(N'sysadmin'), HAS_PERMS_BY_NAME(NULL, NULL, N'CONTROL SERVER')"

func (s *side) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	err := s.client.Close()
	s.client = nil
	return err
}

// connect gives the client and what it is connected to.
func (s *side) connect(ctx context.Context) (*sqlclient.Client, about, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		c, err := s.open(ctx)
		if err != nil {
			return nil, about{}, s.hindrance(ctx, "connect to the "+string(s.at), err)
		}
		s.client, s.about = c, about{}
	}
	if s.about.known {
		return s.client, s.about, nil
	}
	r, err := s.client.Query(ctx, askAbout)
	if err != nil {
		return nil, about{}, s.hindrance(ctx, "ask "+s.client.Server()+" what it is", err)
	}
	if len(r.First().Rows) != 1 {
		return nil, about{}, s.hindrance(ctx, "ask "+s.client.Server()+" what it is", errors.New("it gave no answer"))
	}
	row := r.First().Rows[0]
	major, _, _ := strings.Cut(text(row[0]), ".")
	// Who may not see everything sees a part, and takes it for the whole: logins would be missed without a word.
	if number(row[2]) != 1 && number(row[3]) != 1 {
		return nil, about{}, &flow.Hindrance{At: s.at, What: "the login that the migration uses on " + s.client.Server() + " has neither sysadmin nor CONTROL SERVER: it cannot see all logins",
			Fix: "ALTER SERVER ROLE sysadmin ADD MEMBER it; the migration goes on by itself"}
	}
	s.about = about{known: true, folds: strings.Contains(strings.ToUpper(text(row[1])), "_CI_")}
	s.about.major, _ = strconv.Atoi(major)
	return s.client, s.about, nil
}

// query runs a batch, again on a new connection when an old one turned out to be dead: whoever closes a database (a cutover
// does) ends the sessions in it. Batches have to be harmless when they are run twice.
func (s *side) query(ctx context.Context, batch string) (*sqlclient.Result, error) {
	for try := 0; ; try++ {
		c, _, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		r, err := c.Query(ctx, batch)
		if err == nil {
			return r, nil
		}
		lost := context.Cause(ctx) == nil && broken(err)
		if lost || strings.HasPrefix(batch, "USE ") && !strings.HasPrefix(batch, "USE [master]") { // a session that stayed in a database would keep others out of it
			s.drop(c)
		}
		if !lost || try > 0 {
			return nil, err
		}
	}
}

// ask is query with an error that says what could not be read.
func (s *side) ask(ctx context.Context, what, batch string) (*sqlclient.Result, error) {
	r, err := s.query(ctx, batch)
	if err != nil {
		return nil, s.hindrance(ctx, "read "+what+" on the "+string(s.at), err)
	}
	return r, nil
}

// broken reports errors of a connection, not of what was sent over it.
func broken(err error) bool {
	var e *sqlerr.Error
	var told *flow.Hindrance
	return !errors.As(err, &told) && (!errors.As(err, &e) || e.Number == 596 || e.Number == 6005)
}

// drop gives a client up, if nobody did.
func (s *side) drop(c *sqlclient.Client) {
	s.mu.Lock()
	if s.client == c {
		s.client = nil
	}
	s.mu.Unlock()
	_ = c.Close() // its connections are dead or in the wrong place
}

// hindrance is an error of this side, without anything secret. That the caller gave up stays what it is.
func (s *side) hindrance(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var told *flow.Hindrance
	if errors.As(err, &told) {
		return err
	}
	fix := "see that the server runs and can be reached"
	switch sqlerr.Number(err) {
	case 0:
	case 18456:
		fix = "check user and password, and that the server takes SQL logins"
	case 229, 297, 300, 916, 15247, 15151:
		fix = "the login that the migration uses has to be a member of sysadmin"
	default:
		fix = ""
	}
	return &flow.Hindrance{At: s.at, What: what, Fix: fix, Err: scrubbed(err)}
}

// serverBatch asks for everything that a server says about its logins. Servers before 2012 have no roles of users, and so
// no columns for them.
func serverBatch(major int) string {
	owner := "p.owning_principal_id, p.is_fixed_role"
	if major < 11 {
		owner = "1, CASE WHEN p.type = 'R' THEN 1 ELSE 0 END"
	}
	return "SELECT p.principal_id, p.name, p.sid, p.type, p.is_disabled, p.default_database_name, p.default_language_name, c.name AS credential_name, " +
		"l.is_policy_checked, l.is_expiration_checked, l.password_hash, CAST(LOGINPROPERTY(l.name, N'IsMustChange') AS int) AS must_change, " +
		"CAST(LOGINPROPERTY(l.name, N'PasswordLastSetTime') AS datetime) AS password_set, GETDATE() AS now, " + owner +
		" FROM sys.server_principals p LEFT JOIN sys.sql_logins l ON l.principal_id = p.principal_id LEFT JOIN sys.credentials c ON c.credential_id = p.credential_id;\n" +
		"SELECT role_principal_id, member_principal_id FROM sys.server_role_members;\n" +
		"SELECT class, major_id, grantee_principal_id, permission_name, state FROM sys.server_permissions;\n" +
		"SELECT endpoint_id, name, principal_id FROM sys.endpoints;\n" +
		"SELECT name, owner_sid, state, state_desc, user_access, is_in_standby FROM sys.databases;"
}

// read asks a server about itself.
func (s *side) read(ctx context.Context) (*server, error) {
	c, a, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.ask(ctx, "logins", serverBatch(a.major))
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if len(r.Sets) != 5 {
		return nil, s.hindrance(ctx, "read logins on "+c.Server(), fmt.Errorf("%d results where 5 were asked for", len(r.Sets)))
	}
	out := &server{name: c.Server(), folds: a.folds}
	for _, row := range r.Sets[0].Rows {
		out.principals = append(out.principals, principalOf(row, now))
	}
	for _, row := range r.Sets[1].Rows {
		out.members = append(out.members, member{number(row[0]), number(row[1])})
	}
	for _, row := range r.Sets[2].Rows {
		out.permissions = append(out.permissions, permission{class: number(row[0]), major: number(row[1]), grantee: number(row[2]), name: text(row[3]), state: strings.TrimSpace(text(row[4]))})
	}
	for _, row := range r.Sets[3].Rows {
		out.endpoints = append(out.endpoints, endpoint{number(row[0]), text(row[1]), number(row[2])})
	}
	for _, row := range r.Sets[4].Rows {
		d := database{name: text(row[0]), owner: raw(row[1]), open: number(row[2]) == 0, state: text(row[3])}
		switch {
		case number(row[4]) == 1:
			d.shy, d.state = true, d.state+" for a single user"
		case truth(row[5]):
			d.shy, d.state = true, d.state+" as a standby"
		}
		out.databases = append(out.databases, d)
	}
	return out, nil
}

// principalOf reads a row that was asked for at now.
func principalOf(row []any, now time.Time) principal {
	p := principal{id: number(row[0]), name: text(row[1]), sid: raw(row[2]), kind: strings.TrimSpace(text(row[3])), disabled: truth(row[4]), database: text(row[5]), language: text(row[6]),
		credential: text(row[7]), policy: truth(row[8]), expiration: truth(row[9]), hash: keep(raw(row[10])), mustChange: number(row[11]) == 1, owner: number(row[14]), fixed: truth(row[15])}
	if set, ok := row[12].(time.Time); ok {
		if there, ok := row[13].(time.Time); ok { // the clocks and time zones of two servers differ
			p.set = now.Add(set.Sub(there))
		}
	}
	return p
}

// The values of a row as what they stand for; NULL is the zero value.

func number(v any) int {
	switch v := v.(type) {
	case int64:
		return int(v)
	case bool:
		if v {
			return 1
		}
	case string:
		n, _ := strconv.Atoi(v)
		return n
	}
	return 0
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func raw(v any) []byte {
	b, _ := v.([]byte)
	return b
}

func truth(v any) bool { return number(v) != 0 }
