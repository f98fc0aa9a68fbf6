package logins_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"linkspan/instance"
	"linkspan/migrate/flow"
	"linkspan/migrate/logins"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// odd is a name that quoting has to bear: brackets, quotes, Unicode, 128 characters.
var odd = "o'brien ]]x] \"Ünï\" 日本 " + strings.Repeat("é", 128-len([]rune("o'brien ]]x] \"Ünï\" 日本 ")))

// old is the hash of a password as SQL Server made it until 2008 R2.
func old(password string) string {
	salt := []byte{1, 2, 3, 4}
	var b []byte
	for _, u := range utf16.Encode([]rune(password)) {
		b = append(b, byte(u), byte(u>>8))
	}
	sum := sha1.Sum(append(b, salt...))
	return sqlclient.Binary(append(append([]byte{1, 0}, salt...), sum[:]...))
}

// passwords are those of the source's logins.
var passwords = map[string]string{"app": "App-secret-1", "report": "Report-secret-2", odd: "Odd-secret-3", "veteran": "Veteran-secret-4", "owner": "Owner-secret-5", "off": "Off-secret-6",
	"barred": "Barred-secret-7", "idle": "Idle-secret-8"}

// equip makes a source's logins, roles, permissions and two databases.
func equip(h *host) {
	create := func(name, options string) {
		h.run(fmt.Sprintf("CREATE LOGIN %s WITH PASSWORD = %s%s", sqlclient.QuoteName(name), sqlclient.QuoteString(passwords[name]), options))
	}
	h.run("CREATE DATABASE sales", "CREATE DATABASE [hr ]]1]")
	create("owner", "")
	create("app", ", DEFAULT_DATABASE = sales")
	create("report", ", CHECK_POLICY = OFF")
	create(odd, ", CHECK_EXPIRATION = ON")
	create("off", "")
	create("barred", "")
	create("idle", "")
	h.run("CREATE LOGIN veteran WITH PASSWORD = "+old(passwords["veteran"])+" HASHED", "ALTER LOGIN [off] DISABLE", "DENY CONNECT SQL TO barred",
		"CREATE LOGIN gone WITH PASSWORD = 'Gone-secret-9'", "CREATE LOGIN lost WITH PASSWORD = 'Lost-secret-9'",
		"CREATE SERVER ROLE inner_ops", "CREATE SERVER ROLE ops AUTHORIZATION owner", "ALTER SERVER ROLE inner_ops ADD MEMBER ops", "ALTER SERVER ROLE ops ADD MEMBER report",
		"ALTER SERVER ROLE processadmin ADD MEMBER app", "GRANT VIEW SERVER STATE TO ops", "GRANT ALTER ANY CONNECTION TO inner_ops",
		"GRANT ALTER ANY LOGIN TO app WITH GRANT OPTION", "DENY VIEW ANY DATABASE TO report", "GRANT IMPERSONATE ON LOGIN::report TO app",
		"ALTER AUTHORIZATION ON DATABASE::sales TO owner",
		"USE sales; CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, v nvarchar(20)); INSERT dbo.t VALUES (1, N'one')",
		"USE sales; CREATE USER app FOR LOGIN app; CREATE USER rep FOR LOGIN report; CREATE USER gone FOR LOGIN gone; CREATE USER lost FOR LOGIN lost; CREATE USER nobody WITHOUT LOGIN; CREATE USER [off] FOR LOGIN [off]",
		"USE sales; CREATE USER "+sqlclient.QuoteName(odd)+" FOR LOGIN "+sqlclient.QuoteName(odd)+"; CREATE USER veteran FOR LOGIN veteran; CREATE USER barred FOR LOGIN barred",
		"USE sales; CREATE ROLE readers; ALTER ROLE readers ADD MEMBER rep; GRANT SELECT ON dbo.t TO readers; ALTER ROLE db_datawriter ADD MEMBER app; GRANT SELECT ON SCHEMA::dbo TO app; DENY DELETE ON dbo.t TO app",
		"USE [hr ]]1]; CREATE TABLE dbo.p (id int); CREATE USER app FOR LOGIN app; ALTER ROLE db_owner ADD MEMBER app",
		"DROP LOGIN gone", "DROP LOGIN lost")
}

var pairs = []logins.Pair{{Source: "sales", Target: "verkauf"}, {Source: "hr ]1", Target: "hr ]1"}}

// before are the stages that do not wait for the databases.
var before = []flow.Stage{flow.Initialize, flow.LoginMigration}

// rest are the others, in their order.
var rest = []flow.Stage{flow.EstablishUserMapping, flow.AssignRoleMembership, flow.AssignRoleOwnership, flow.EstablishServerPermissions, flow.EstablishObjectPermissions}

// standing is everything about logins that has to be equal on both sides.
func standing(h *host) string {
	mine := " NOT IN (SELECT principal_id FROM sys.server_principals WHERE name IN ('sa', 'idle', 'gone') OR name LIKE '##%')"
	return h.rows("SELECT p.name, p.sid, p.type, p.is_disabled, l.password_hash, l.is_policy_checked, l.is_expiration_checked FROM sys.server_principals p LEFT JOIN sys.sql_logins l ON l.principal_id = p.principal_id "+
		"WHERE p.type = 'S' AND p.principal_id"+mine+" ORDER BY p.name") +
		h.rows("SELECT r.name, m.name FROM sys.server_role_members x JOIN sys.server_principals r ON r.principal_id = x.role_principal_id JOIN sys.server_principals m ON m.principal_id = x.member_principal_id "+
			"WHERE x.member_principal_id"+mine+" ORDER BY r.name, m.name") +
		h.rows("SELECT g.name, x.class, x.permission_name, x.state, o.name FROM sys.server_permissions x JOIN sys.server_principals g ON g.principal_id = x.grantee_principal_id "+
			"LEFT JOIN sys.server_principals o ON x.class = 101 AND o.principal_id = x.major_id WHERE x.grantee_principal_id"+mine+" ORDER BY g.name, x.class, x.permission_name") +
		h.rows("SELECT r.name, o.name FROM sys.server_principals r JOIN sys.server_principals o ON o.principal_id = r.owning_principal_id WHERE r.type = 'R' AND r.is_fixed_role = 0 ORDER BY r.name")
}

// moved is a migration that is through, its databases restored on the target before the last stages.
func moved(t *testing.T) (src, dst *host, m *move, warnings string) {
	folder := t.TempDir()
	src, dst = start(t, "sqlserver1", instance.SQLServer, folder), start(t, "sqlserver2", instance.SQLServer, folder)
	equip(src)
	m = newMove(t, src, dst, "", pairs...)
	warnings = m.must(before...)
	src.backup(folder, pairs...)
	dst.restore(folder, pairs...)
	return src, dst, m, warnings + m.must(rest...)
}

// TestMove: what a login had on the source it has on the target, and nobody more.
func TestMove(t *testing.T) {
	t.Parallel()
	src, dst, m, warnings := moved(t)
	if warnings != "" {
		t.Errorf("warnings:\n%s", warnings)
	}
	if s, d := standing(src), standing(dst); s != d {
		t.Errorf("the source has\n%s\nthe target\n%s", s, d)
	}
	for name, password := range passwords {
		c, err := dst.login(name, password)
		if in := err == nil; in != slices.Contains([]string{"app", "report", odd, "veteran", "owner"}, name) {
			t.Errorf("login %s: %v", name, err)
		}
		if err == nil {
			_ = c.Close()
		}
		if c, err := dst.login(name, password+"x"); err == nil {
			_ = c.Close()
			t.Errorf("%s may log in with any password", name)
		}
	}
	rep, app := dst.as("report", passwords["report"]), dst.as("app", passwords["app"])
	try := func(c *sqlclient.Client, batch string, number int32) {
		t.Helper()
		if _, err := c.Query(t.Context(), batch); sqlerr.Number(err) != number {
			t.Errorf("%s: %v, want %d", batch, err, number)
		}
	}
	try(rep, "USE verkauf; SELECT v FROM dbo.t", 0)
	try(rep, "USE verkauf; INSERT dbo.t VALUES (2, N'two')", 229)
	try(rep, "USE [hr ]]1]; SELECT id FROM dbo.p", 916)
	try(app, "USE verkauf; INSERT dbo.t VALUES (3, N'three')", 0)
	try(app, "USE verkauf; DELETE dbo.t WHERE id = 3", 229)
	try(app, "USE [hr ]]1]; CREATE TABLE dbo.q (id int)", 0)
	if got := dst.rows("SELECT default_database_name FROM sys.server_principals WHERE name = 'app'"); got != "verkauf\n" {
		t.Errorf("the default database is %s", got)
	}
	if got := dst.rows("SELECT SUSER_SNAME(owner_sid) FROM sys.databases WHERE name = 'verkauf'"); got != "owner\n" {
		t.Errorf("the owner is %s", got)
	}
	m.journal.take()
	if again := m.must(append(slices.Clone(before), rest...)...); again != "" || len(m.journal.take()) != 0 {
		t.Errorf("the second time something was left to do: %s", again)
	}
}

// TestList: those that the databases need, and no other.
func TestList(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlmi1", instance.ManagedInstance, t.TempDir())
	equip(src)
	m := newMove(t, src, dst, "", pairs...)
	names, err := m.names(t.Context())
	slices.Sort(names)
	if want := []string{"app", "barred", odd, "off", "owner", "report", "veteran"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("needed: %q %v", names, err)
	}
	missing, err := m.Missing(t.Context(), "sales")
	if err != nil || !slices.Equal(missing, names) {
		t.Errorf("missing: %q %v", missing, err)
	}
	if missing, err = m.Missing(t.Context(), "HR ]1"); err != nil || !slices.Equal(missing, []string{"app", "owner", "report"}) { // app may impersonate report, who is in a role of owner
		t.Errorf("missing in the other: %q %v", missing, err)
	}
	if warnings := m.must(before...); warnings != "" {
		t.Errorf("a managed instance warns: %s", warnings)
	}
	if missing, err = m.Missing(t.Context(), "sales"); err != nil || len(missing) != 0 {
		t.Errorf("still missing: %q %v", missing, err)
	}
	if warnings := m.must(flow.AssignRoleMembership, flow.AssignRoleOwnership, flow.EstablishServerPermissions); warnings != "" {
		t.Errorf("a managed instance warns: %s", warnings)
	}
	if s, d := standing(src), standing(dst); s != d {
		t.Errorf("the source has\n%s\nthe managed instance\n%s", s, d)
	}
	src.run("BACKUP DATABASE sales TO DISK = 'NUL'", "BACKUP LOG sales TO DISK = 'NUL' WITH NORECOVERY")
	if missing, err = m.Missing(t.Context(), "sales"); err != nil || len(missing) != 0 {
		t.Errorf("after the tail was taken: %q %v", missing, err)
	}
	fresh := newMove(t, src, dst, "", pairs...)
	var h *flow.Hindrance
	if _, err = fresh.Missing(t.Context(), "sales"); !errors.As(err, &h) || h.At != flow.AtSource {
		t.Errorf("users that nobody can read: %v", err)
	}
	src.run("CREATE LOGIN boss WITH PASSWORD = 'Boss-secret-1'", "ALTER SERVER ROLE sysadmin ADD MEMBER boss")
	found, err := m.List(t.Context())
	if i := slices.IndexFunc(found, func(f logins.Found) bool { return f.Name == "boss" }); err != nil || i < 0 || !strings.Contains(found[i].Skip, "sysadmin") {
		t.Errorf("one that needs no user is not told: %v %v", found, err)
	}
	src.run("USE [hr ]]1]; GRANT CONNECT TO guest")
	if found, err = m.List(t.Context()); err != nil || !slices.ContainsFunc(found, func(f logins.Found) bool { return f.Name == "idle" && strings.Contains(f.Skip, "guest") }) {
		t.Errorf("one that comes in as guest is not told: %v %v", found, err)
	}
	none := newMove(t, src, dst, logins.ScopeNone, pairs...)
	if names, err := none.names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("none: %q %v", names, err)
	}
	all := newMove(t, src, dst, logins.ScopeAll, pairs...)
	if names, err := all.names(t.Context()); err != nil || !slices.Contains(names, "idle") || slices.Contains(names, "sa") {
		t.Errorf("all: %q %v", names, err)
	}
}

// TestMapUsers: users without login are found, repaired by name, or told.
func TestMapUsers(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	src, dst := start(t, "sqlserver1", instance.SQLServer, folder), start(t, "sqlserver2", instance.SQLServer, folder)
	equip(src)
	dst.run("CREATE LOGIN GONE WITH PASSWORD = 'Other-secret-1'")
	m := newMove(t, src, dst, "", pairs...)
	var h *flow.Hindrance
	if _, err := m.MapUsers(t.Context(), "sales"); !errors.As(err, &h) || h.At != flow.AtTarget {
		t.Errorf("a database that is not there: %v", err)
	}
	src.backup(folder, pairs[0])
	dst.restore(folder, pairs[0])
	for _, name := range []string{"app", odd, "off", "veteran", "barred", "owner"} { // report is left out
		for _, stage := range before {
			if _, err := m.Do(t.Context(), name, stage); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{"[lost]: no login had its SID on the source either, and none on the target has its name", "[rep]: its login [report] is not on the target"}
	for range 2 {
		got, err := m.MapUsers(t.Context(), "sales")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("orphans: %q %v", got, err)
		}
	}
	if got := m.journal.take(); !slices.Contains(got, "ALTER USER [gone] WITH LOGIN = [GONE] in database [verkauf]") {
		t.Errorf("done: %q", got)
	}
	gone := dst.as("gone", "Other-secret-1")
	if _, err := gone.Query(t.Context(), "USE verkauf; SELECT USER_NAME()"); err != nil {
		t.Errorf("a repaired user: %v", err)
	}
}

// TestKilled cuts the work short after every statement; going on ends where it would have ended.
func TestKilled(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	src := start(t, "sqlserver1", instance.SQLServer, folder)
	equip(src)
	for _, name := range []string{odd, "veteran"} { // fewer logins, fewer rounds
		src.run("USE sales; DROP USER "+sqlclient.QuoteName(name), "DROP LOGIN "+sqlclient.QuoteName(name))
	}
	src.backup(folder, pairs...)
	want := standing(src)
	killed := errors.New("killed")
	for n := 1; ; n++ {
		dst := start(t, "sqlserver2", instance.SQLServer, folder)
		dst.restore(folder, pairs...)
		m := newMove(t, src, dst, "", pairs...)
		ctx, cancel := context.WithCancelCause(t.Context())
		m.journal.tell = func(done int) {
			if done == n {
				cancel(killed)
			}
		}
		_, err := m.stages(ctx, append(slices.Clone(before), rest...)...)
		cancel(nil)
		if err == nil {
			if n < 15 {
				t.Errorf("only %d statements", n-1)
			}
			dst.stop()
			return
		}
		if !errors.Is(err, killed) {
			t.Fatalf("after statement %d: %v", n, err)
		}
		again := newMove(t, src, dst, "", pairs...)
		if warnings := again.must(append(slices.Clone(before), rest...)...); warnings != "" {
			t.Errorf("killed after statement %d: %s", n, warnings)
		}
		if got := standing(dst); got != want {
			t.Fatalf("killed after statement %d (%v):\n%s\nwant\n%s", n, m.journal.take(), got, want)
		}
		dst.stop()
	}
}

// TestStandsInTheWay: what the target has is left, and somebody told.
func TestStandsInTheWay(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	equip(src)
	sid := func(name string) string {
		return strings.TrimSpace(src.rows("SELECT CONVERT(varchar(100), sid, 1) FROM sys.sql_logins WHERE name = '" + name + "'"))
	}
	dst.run("CREATE LOGIN APP WITH PASSWORD = 'Other-secret-1'", "CREATE LOGIN other WITH PASSWORD = 'Other-secret-2', SID = "+sid("report"),
		"CREATE LOGIN owner WITH PASSWORD = 'Other-secret-3', SID = "+sid("owner"), "CREATE SERVER ROLE veteran",
		"CREATE SERVER ROLE ops", "ALTER SERVER ROLE ops ADD MEMBER other", "GRANT SHUTDOWN TO ops")
	had := standing(dst)
	m := newMove(t, src, dst, "", pairs...)
	for name, says := range map[string]string{"app": "15025", "report": "15433", "owner": "another password", "veteran": "role"} {
		for _, stage := range before {
			_, err := m.Do(t.Context(), name, stage)
			var halt *flow.Halt
			if !errors.As(err, &halt) || !strings.Contains(err.Error(), says) || halt.Fix == "" {
				t.Errorf("%s of %s: %v", stage, name, err)
			}
		}
	}
	if now := standing(dst); now != had {
		t.Errorf("it changed\n%s\nto\n%s", had, now)
	}
	missing, err := m.Missing(t.Context(), "sales")
	for _, want := range []string{"app (another one of that name is there)", "report (its SID belongs to other there)", "owner (it has another password there)", "off"} {
		if !slices.Contains(missing, want) {
			t.Errorf("missing: %q %v", missing, err)
		}
	}
	dst.run("DROP LOGIN other", "DROP LOGIN APP", "DROP LOGIN owner")
	if _, err := m.Do(t.Context(), "report", flow.LoginMigration); err != nil {
		t.Errorf("once it is away: %v", err)
	}
	warning, err := m.Do(t.Context(), "report", flow.AssignRoleMembership)
	if err != nil || !strings.Contains(warning, "[ops] was left out") || !strings.Contains(warning, "SHUTDOWN") {
		t.Errorf("a role that is another one: %q %v", warning, err)
	}
}

// TestOnTheWay: what changes on the source before the cutover is taken over.
func TestOnTheWay(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	equip(src)
	m := newMove(t, src, dst, "", pairs...)
	m.must(before...)
	if got := dst.rows("SELECT IS_SRVROLEMEMBER('processadmin', 'app'), IS_SRVROLEMEMBER('ops', 'report')"); got != "1 1\n" { // stages of roles wait for databases
		t.Errorf("roles come late: %s", got)
	}
	src.run("CREATE LOGIN late WITH PASSWORD = 'Late-secret-1'", "USE sales; CREATE USER late FOR LOGIN late", "ALTER LOGIN app DISABLE", "DENY CONNECT SQL TO app")
	if missing, err := newMove(t, src, dst, "", pairs...).Missing(t.Context(), "sales"); err != nil || !slices.Equal(missing, []string{"late"}) {
		t.Errorf("missing: %q %v", missing, err)
	}
	m.must(flow.EstablishServerPermissions)
	// Disabling logins on the source is how traffic is stopped for a cutover: the target's have to work.
	dst.as("app", passwords["app"])
	if warning, err := m.Do(t.Context(), "app", flow.EstablishUserMapping); err != nil || !strings.Contains(warning, "was disabled on the source after it was moved") {
		t.Errorf("a login that was disabled later: %q %v", warning, err)
	}
	if _, err := m.Do(t.Context(), "app", flow.EstablishObjectPermissions); err != nil {
		t.Error(err)
	}
	dst.run("DROP LOGIN report")
	m.must(flow.AssignRoleMembership)
	dst.as("report", passwords["report"])
}

// TestLatest: what changed on the source until the cutover of a database is taken over with its users, though other
// databases may take weeks.
func TestLatest(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	src, dst := start(t, "sqlserver1", instance.SQLServer, folder), start(t, "sqlserver2", instance.SQLServer, folder)
	equip(src)
	m := newMove(t, src, dst, "", pairs...)
	m.must(before...)
	src.backup(folder, pairs[0])
	dst.restore(folder, pairs[0])
	src.run("ALTER LOGIN app WITH PASSWORD = 'App-changed-1'", "ALTER SERVER ROLE setupadmin ADD MEMBER app", "GRANT ALTER TRACE TO report", "CREATE LOGIN stopped WITH PASSWORD = 'Stopped-secret-1'")
	if _, err := m.MapUsers(t.Context(), "sales"); err != nil {
		t.Fatal(err)
	}
	dst.as("app", "App-changed-1")
	if got := dst.rows("SELECT IS_SRVROLEMEMBER('setupadmin', 'app')") + dst.rows("SELECT permission_name FROM sys.server_permissions p JOIN sys.server_principals g ON g.principal_id = p.grantee_principal_id WHERE g.name = 'report' AND permission_name = 'ALTER TRACE'"); got != "1\nALTER TRACE\n" {
		t.Errorf("what came later: %s", got)
	}
}

// TestClosedDatabase: a cutover ends all sessions in a database and wants it for itself. Ours neither stand in the way nor
// take harm.
func TestClosedDatabase(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	equip(src)
	m := newMove(t, src, dst, "", pairs...)
	for range 4 { // until the pool has several
		if _, err := m.Missing(t.Context(), "sales"); err != nil {
			t.Fatal(err)
		}
	}
	src.run("BACKUP DATABASE sales TO DISK = 'NUL'", "ALTER DATABASE sales SET SINGLE_USER WITH NO_WAIT", "BACKUP LOG sales TO DISK = 'NUL' WITH NORECOVERY")
	if _, err := m.Missing(t.Context(), "sales"); err != nil {
		t.Errorf("after it was closed: %v", err)
	}
	own := src.rows("SELECT @@SPID")
	for _, id := range strings.Fields(src.rows("SELECT session_id FROM sys.dm_exec_sessions WHERE program_name = 'Linkspan'")) {
		if id != strings.TrimSpace(own) {
			_, _ = src.sa.Query(t.Context(), "KILL "+id) // the pool may give us another session than the one that asked
		}
	}
	if _, err := m.Missing(t.Context(), "sales"); err != nil {
		t.Errorf("after its sessions were ended: %v", err)
	}
	if warnings := m.must(flow.Initialize, flow.LoginMigration); warnings != "" {
		t.Error(warnings)
	}
}

// TestUnreadable: a database that somebody has for himself hides the users of no other, and is not passed over.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	equip(src)
	db := src.at
	db.Database = "sales"
	holder, err := sqlclient.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close() }()
	if _, err := holder.Query(t.Context(), "ALTER DATABASE sales SET SINGLE_USER WITH ROLLBACK IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	m := newMove(t, src, dst, "", pairs...)
	if names, err := m.names(t.Context()); err != nil || !slices.Contains(names, "app") || slices.Contains(names, "veteran") {
		t.Errorf("listed: %q %v", names, err)
	}
	var h *flow.Hindrance
	if _, err := m.Missing(t.Context(), "sales"); !errors.As(err, &h) || h.At != flow.AtSource || h.Fix == "" || !strings.Contains(err.Error(), "single user") {
		t.Errorf("missing: %v", err)
	}
	if _, err := holder.Query(t.Context(), "ALTER DATABASE sales SET MULTI_USER"); err != nil {
		t.Fatal(err)
	}
	if names, err := m.names(t.Context()); err != nil || !slices.Contains(names, "veteran") {
		t.Errorf("listed once it is open: %q %v", names, err)
	}
}

// TestUnreachable: a server that is away is a hindrance at its place, whose login is wrong too.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	m := newMove(t, src, dst, "", pairs...)
	wrong := *dst
	wrong.at.Password = "Wrong-secret-1"
	for _, c := range []struct {
		name string
		m    *move
		at   flow.Place
	}{{"wrong password", newMove(t, src, &wrong, ""), flow.AtTarget}, {"gone", m, flow.AtSource}} {
		if c.name == "gone" {
			src.stop()
		}
		var h *flow.Hindrance
		if _, err := c.m.Do(t.Context(), "app", flow.Initialize); !errors.As(err, &h) || h.At != c.at || strings.Contains(err.Error(), "Wrong-secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
