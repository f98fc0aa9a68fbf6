package logins

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// perBatch is how many databases one batch asks.
const perBatch = 50

// inEach runs queries in databases, many in one batch, and gives the rows of each query in each database.
func (s *side) inEach(ctx context.Context, what string, databases []string, queries ...string) (map[string][][][]any, error) {
	out := map[string][][][]any{}
	text, n := strings.Join(queries, ";\n"), len(queries)
	for names := range slices.Chunk(databases, perBatch) {
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "USE %s; %s;\n", quote(name), text)
		}
		b.WriteString("USE [master];")
		r, err := s.ask(ctx, what, b.String())
		if err != nil {
			return nil, err
		}
		if len(r.Sets) != len(names)*n {
			return nil, s.hindrance(ctx, "read "+what, fmt.Errorf("%d results where %d were asked for", len(r.Sets), len(names)*n))
		}
		for i, name := range names {
			for _, set := range r.Sets[i*n : (i+1)*n] {
				out[name] = append(out[name], set.Rows)
			}
		}
	}
	return out, nil
}

// askUsers leaves out who has no login by nature: roles, and the users of every database but dbo, whose SID is the owner's.
const askUsers = "SELECT name, sid FROM sys.database_principals WHERE type IN ('S', 'U', 'G') AND principal_id NOT IN (2, 3, 4) AND sid IS NOT NULL"

// askGuest tells whether anybody may enter the database.
const askGuest = "SELECT state FROM sys.database_permissions WHERE grantee_principal_id = 2 AND class = 0 AND permission_name = N'CONNECT'"

// users reads the users of databases of the source, and which of the databases anybody may enter. Databases that cannot be
// read now are not in the result.
func (s *side) users(ctx context.Context, databases []string) (out map[string][]user, guests []string, err error) {
	if databases, err = s.still(ctx, databases); err != nil {
		return nil, nil, err
	}
	rows, err := s.inEach(ctx, "users of databases", databases, askUsers, askGuest)
	if sqlerr.Number(err) != 0 { // one that is not open to us (single user, a secondary) must not hide the others
		rows, err = s.oneByOne(ctx, databases, askUsers, askGuest)
	}
	if err != nil {
		return nil, nil, err
	}
	out = map[string][]user{}
	for _, name := range databases {
		all, ok := rows[name]
		if !ok {
			continue
		}
		out[name] = []user{}
		if guest := all[1]; len(guest) > 0 && strings.TrimSpace(text(guest[0][0])) != "D" {
			guests = append(guests, name)
		}
		for _, row := range all[0] {
			out[name] = append(out[name], user{text(row[0]), raw(row[1])})
		}
	}
	return out, guests, nil
}

// still leaves out databases that were closed, or kept for one session, since they were last looked at: our session would be
// that one.
func (s *side) still(ctx context.Context, databases []string) ([]string, error) {
	if len(databases) == 0 {
		return nil, nil
	}
	r, err := s.ask(ctx, "databases", "SELECT name FROM sys.databases WHERE state = 0 AND user_access <> 1 AND is_in_standby = 0")
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for _, row := range r.First().Rows {
		open[text(row[0])] = true
	}
	return slices.DeleteFunc(slices.Clone(databases), func(name string) bool { return !open[name] }), nil
}

// oneByOne is inEach that leaves out databases that give a SQL error.
func (s *side) oneByOne(ctx context.Context, databases []string, queries ...string) (map[string][][][]any, error) {
	out := map[string][][][]any{}
	for _, name := range databases {
		one, err := s.inEach(ctx, "users of databases", []string{name}, queries...)
		if err != nil && sqlerr.Number(err) == 0 {
			return nil, err
		}
		maps.Copy(out, one)
	}
	return out, nil
}

const askAccounts = "SELECT u.principal_id, u.name, u.type, u.sid, u.authentication_type, p.state FROM sys.database_principals u " +
	"LEFT JOIN sys.database_permissions p ON p.grantee_principal_id = u.principal_id AND p.class = 0 AND p.permission_name = N'CONNECT' " +
	"WHERE u.type IN ('S', 'U', 'G', 'E', 'X')"

// accounts reads the users of those databases that are open on the target; with a login, only those that it may concern.
func (s *side) accounts(ctx context.Context, f *sides, l *principal) ([]accounts, error) {
	query := askAccounts
	if l != nil {
		query += " AND (u.principal_id = 1 OR u.sid = " + sqlclient.Binary(l.sid) + " OR u.name = " + sqlclient.QuoteString(l.name) + ")"
	}
	open := f.open()
	var names []string
	for _, p := range open {
		names = append(names, p.Target)
	}
	rows, err := s.inEach(ctx, "users of databases", names, query)
	if err != nil {
		return nil, err
	}
	var out []accounts
	for _, p := range open {
		a := accounts{pair: p, owner: f.dst.database(p.Target).owner}
		for _, row := range rows[p.Target][0] {
			u := account{id: number(row[0]), name: text(row[1]), kind: strings.TrimSpace(text(row[2])), sid: raw(row[3]), auth: authUnknown, connect: strings.TrimSpace(text(row[5]))}
			if row[4] != nil {
				u.auth = number(row[4])
			}
			if had := find(a.users, func(o *account) bool { return o.id == u.id }); had != nil { // CONNECT by two grantors
				if rank(u.connect) > rank(had.connect) {
					had.connect = u.connect
				}
				continue
			}
			a.users = append(a.users, u)
		}
		out = append(out, a)
	}
	return out, nil
}

// open are the pairs whose databases are open on the target, by the names that the target gives them.
func (s *sides) open() []Pair {
	var out []Pair
	for _, p := range s.pairs {
		if d := s.dst.database(p.Target); d != nil && d.open {
			out = append(out, Pair{p.Source, d.name})
		}
	}
	return out
}

// askRights ask what the user of a SID is and may do in a database, in words that are the same on both sides whatever the
// ids: its name, its roles, its permissions. One query each: their columns are of different collations.
func askRights(sid []byte) []string {
	me := "SELECT principal_id FROM sys.database_principals WHERE sid = " + sqlclient.Binary(sid)
	return []string{
		"SELECT name FROM sys.database_principals WHERE sid = " + sqlclient.Binary(sid),
		"SELECT r.name FROM sys.database_role_members m JOIN sys.database_principals r ON r.principal_id = m.role_principal_id WHERE m.member_principal_id IN (" + me + ")",
		"SELECT p.permission_name, p.state, p.class, os.name AS object_schema, o.name AS object_name, sc.name AS schema_name, dp.name AS principal_name, c.name AS column_name " +
			"FROM sys.database_permissions p LEFT JOIN sys.all_objects o ON p.class = 1 AND o.object_id = p.major_id " +
			"LEFT JOIN sys.schemas os ON os.schema_id = o.schema_id LEFT JOIN sys.schemas sc ON p.class = 3 AND sc.schema_id = p.major_id " +
			"LEFT JOIN sys.database_principals dp ON p.class = 4 AND dp.principal_id = p.major_id " +
			"LEFT JOIN sys.columns c ON p.class = 1 AND p.minor_id > 0 AND c.object_id = p.major_id AND c.column_id = p.minor_id " +
			"WHERE p.grantee_principal_id IN (" + me + ")",
	}
}

// rights reads what a login's users may do in databases. names are their names on this side.
func (s *side) rights(ctx context.Context, l *principal, pairs []Pair, name func(Pair) string) ([]rights, error) {
	var names []string
	for _, p := range pairs {
		names = append(names, name(p))
	}
	rows, err := s.inEach(ctx, "permissions in databases", names, askRights(l.sid)...)
	if err != nil {
		return nil, err
	}
	var out []rights
	for _, p := range pairs {
		r := rights{pair: p}
		for _, row := range rows[name(p)][0] {
			r.user = text(row[0])
		}
		for _, row := range rows[name(p)][1] {
			r.all = append(r.all, "member of "+text(row[0]))
		}
		for _, row := range rows[name(p)][2] {
			r.permission(row)
		}
		slices.Sort(r.all)
		out = append(out, r)
	}
	return out, nil
}

// permission takes in a row of the third of askRights, in words.
func (r *rights) permission(row []any) {
	what, state := text(row[0]), strings.TrimSpace(text(row[1]))
	out := map[string]string{"D": "DENY ", "R": "REVOKE "}[state]
	if out == "" {
		out = "GRANT "
	}
	out += what
	if column := text(row[7]); column != "" {
		out += " (" + column + ")"
	}
	switch class := number(row[2]); class {
	case 0:
		if what == "CONNECT" && rank(state) > rank(r.connect) {
			r.connect = state
		}
	case 1:
		out += " ON " + text(row[3]) + "." + text(row[4])
	case 3:
		out += " ON SCHEMA::" + text(row[5])
	case 4:
		out += " ON USER::" + text(row[6])
	default:
		out += fmt.Sprintf(" on an object of class %d", class)
	}
	if state == "W" {
		out += " WITH GRANT OPTION"
	}
	r.all = append(r.all, out)
}

// missing says what is wrong with a login on the target, beginning with its name; "" when it is there as on the source, or
// is not one that is moved.
func (s *sides) missing(l *principal) string {
	if left(l) != "" {
		return ""
	}
	there := s.dst.bySID(l.sid)
	switch other := s.dst.byName(l.name); {
	case there != nil && !s.dst.same(there.name, l.name):
		return fmt.Sprintf("%s (its SID belongs to %s there)", l.name, there.name)
	case there != nil && !there.hash.equal(l.hash) && !newer(l, there):
		return l.name + " (it has another password there)"
	case there != nil:
		return ""
	case other != nil && !bytes.Equal(other.sid, l.sid):
		return l.name + " (another one of that name is there)"
	}
	return l.name
}
