package instance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"linkspan/instance"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
)

// as opens a session of a login in a database.
func as(t testing.TB, in *instance.Instance, user, password, database string) sqlapi.Session {
	t.Helper()
	s, err := in.Login(context.Background(), sqlapi.Login{User: user, Password: password, Database: database}, new(answer))
	if err != nil {
		t.Fatalf("%s logs in to %s: %v", user, database, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// one gives the only cell that a batch answers.
func one(t testing.TB, s sqlapi.Session, text string) string {
	t.Helper()
	_, rows, _ := strings.Cut(must(t, s, text), "\n")
	return strings.TrimSpace(rows)
}

// makeClerk makes a database with a login that may read one table, change another by role, and read no third.
func makeClerk(t testing.TB, s sqlapi.Session) {
	t.Helper()
	for _, text := range []string{
		"CREATE LOGIN clerk WITH PASSWORD = 'Secret-of-clerk-1', CHECK_POLICY = OFF", "CREATE DATABASE db1",
		"USE db1; CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int); INSERT a VALUES (1)",
		"CREATE USER clerk WITH DEFAULT_SCHEMA = dbo; CREATE ROLE writers; ALTER ROLE writers ADD MEMBER clerk; GRANT SELECT ON a TO clerk; GRANT INSERT, SELECT ON b TO writers; DENY SELECT ON c TO clerk",
	} {
		must(t, s, text)
	}
}

// copyLogin makes a login of the same name, password and SID on another instance, as logins are moved.
func copyLogin(t testing.TB, from, to sqlapi.Session, name string) {
	t.Helper()
	row := one(t, from, "SELECT CONVERT(varchar(200), password_hash, 1), CONVERT(varchar(100), sid, 1) FROM sys.sql_logins WHERE name = '"+name+"'")
	hash, sid, _ := strings.Cut(row, " | ")
	must(t, to, fmt.Sprintf("CREATE LOGIN [%s] WITH PASSWORD = %s HASHED, SID = %s, CHECK_POLICY = OFF", name, hash, sid))
}

// isClerk shows that the clerk may do there what it might at home, and nothing else.
func isClerk(t testing.TB, in *instance.Instance, writes bool) {
	t.Helper()
	s := as(t, in, "clerk", "Secret-of-clerk-1", "db1")
	if got := one(t, s, "SELECT USER_NAME()"); got != "clerk" {
		t.Errorf("the clerk is %s", got)
	}
	if got := one(t, s, "SELECT COUNT(*) FROM a"); got != "1" {
		t.Errorf("the clerk reads %s rows", got)
	}
	if writes {
		must(t, s, "INSERT b VALUES (1)")
	} else {
		refused(t, s, 3906, "INSERT b VALUES (1)")
	}
	refused(t, s, 229, "SELECT * FROM c")
	refused(t, s, 229, "DELETE a")
	refused(t, s, 262, "CREATE TABLE d (id int)")
}

// A login that is moved with its hash and SID opens the restored database with its old password and its rights; before
// it is there, its user is an orphan, and a login of that name alone is let in nowhere.
func TestMovedLoginOpensRestoredDatabase(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	a := logIn(t, open(t, o))
	o2, _ := withFolder(t)
	o2.Name, o2.BackupFolders = "sqlserver2", []string{folder}
	in := open(t, o2)
	b := logIn(t, in)
	makeClerk(t, a)
	must(t, a, "USE master; BACKUP DATABASE db1 TO DISK = 'full.bak' WITH FORMAT")
	must(t, a, "USE db1; DENY DELETE ON a TO clerk; USE master; BACKUP LOG db1 TO DISK = 'log.trn'")
	must(t, b, "RESTORE DATABASE db1 FROM DISK = 'full.bak' WITH NORECOVERY; RESTORE LOG db1 FROM DISK = 'log.trn' WITH RECOVERY")
	if got := must(t, b, "USE db1; EXEC sp_change_users_login 'Report'; USE master"); !strings.Contains(got, "clerk") {
		t.Errorf("the orphans are %s", got)
	}
	must(t, b, "CREATE LOGIN clerk WITH PASSWORD = 'Secret-of-clerk-1'")
	_, err := in.Login(context.Background(), sqlapi.Login{User: "clerk", Password: "Secret-of-clerk-1", Database: "db1"}, new(answer))
	if sqlerr.Number(err) != 4060 {
		t.Errorf("a login with another SID: %v", err)
	}
	must(t, b, "DROP LOGIN clerk")
	copyLogin(t, a, b, "clerk")
	if got := must(t, b, "USE db1; EXEC sp_change_users_login 'Report'; USE master"); strings.Contains(got, "clerk") {
		t.Errorf("the orphans are %s", got)
	}
	isClerk(t, in, true)
}

// The copy that a link makes has the users and their rights; they change with the primary's, and nobody changes them there.
func TestLinkCarriesUsers(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	must(t, p.s, "CREATE LOGIN clerk WITH PASSWORD = 'Secret-of-clerk-1'; CREATE USER clerk; GRANT SELECT ON dbo.t TO clerk")
	copyLogin(t, p.s, p.m, "clerk")
	soon(t, "the user arrives", func() bool { return strings.Contains(query(t, p.m, "SELECT USER_ID('clerk')"), "5") })
	c := as(t, p.target, "clerk", "Secret-of-clerk-1", "sales")
	soon(t, "the right arrives", func() bool { return strings.Contains(query(t, c, "SELECT v FROM dbo.t"), "one") })
	refused(t, c, 3906, "INSERT dbo.t (v) VALUES (N'two')")
	refused(t, p.m, 3906, "CREATE ROLE r")
	must(t, p.s, "REVOKE SELECT ON dbo.t FROM clerk")
	soon(t, "the right is taken back", func() bool { return strings.Contains(query(t, c, "SELECT v FROM dbo.t"), "Msg 229") })
	must(t, p.s, "DROP USER clerk")
	soon(t, "the user goes", func() bool { return strings.Contains(query(t, c, "SELECT v FROM dbo.t"), "Msg 916") })
}

// TestPermissionMatrix asks, for each right that a user can have, what may be done with it.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1; CREATE LOGIN u WITH PASSWORD = 'Secret-of-u-1'")
	must(t, s, "USE db1; CREATE TABLE t (id int, v int); INSERT t VALUES (1, 1)")
	must(t, s, "CREATE PROCEDURE p AS SELECT 1")
	attempts := []struct{ name, text string }{
		{"select", "SELECT COUNT(*) FROM t"}, {"insert", "BEGIN TRAN; INSERT t VALUES (2, 2); ROLLBACK"}, {"update", "UPDATE t SET v = 1"}, {"delete", "BEGIN TRAN; DELETE t; ROLLBACK"},
		{"execute", "EXEC p"}, {"truncate", "BEGIN TRAN; TRUNCATE TABLE t; ROLLBACK"}, {"alter", "BEGIN TRAN; ALTER TABLE t ADD c int; ROLLBACK"},
		{"create", "BEGIN TRAN; CREATE TABLE n (id int); ROLLBACK"}, {"user", "BEGIN TRAN; CREATE USER x WITHOUT LOGIN; ROLLBACK"},
		{"role", "BEGIN TRAN; CREATE ROLE x; ROLLBACK"}, {"grant", "BEGIN TRAN; GRANT SELECT ON t TO guest; ROLLBACK"}, {"backup", "BACKUP DATABASE db1 TO DISK = 'NUL' WITH COPY_ONLY"},
	}
	for _, c := range []struct{ give, may string }{
		{"", ""},
		{"GRANT SELECT ON t TO u", "select"}, {"GRANT SELECT TO u", "select"}, {"GRANT SELECT ON SCHEMA::dbo TO public", "select"},
		{"GRANT SELECT TO u; DENY SELECT ON t TO u", ""}, {"GRANT SELECT ON t TO u; DENY SELECT TO public", ""}, {"GRANT SELECT ON t TO u; DENY CONTROL ON SCHEMA::dbo TO u", ""},
		{"GRANT INSERT, UPDATE, DELETE ON t TO u", "insert update delete"}, {"GRANT ALL ON t TO u", "select insert update delete"},
		{"GRANT UPDATE (v) ON t TO u", "update"}, {"GRANT UPDATE (id) ON t TO u", ""}, {"GRANT UPDATE ON t TO u; DENY UPDATE (v) ON t TO u", ""},
		{"GRANT SELECT (id) ON t TO u", "select"},
		{"GRANT EXECUTE TO u", "execute"}, {"GRANT ALTER ON t TO u", "truncate alter"}, {"GRANT CONTROL ON t TO u", "select insert update delete truncate alter grant"},
		{"GRANT CONTROL ON SCHEMA::dbo TO u", "select insert update delete execute truncate alter grant"},
		{"GRANT CREATE TABLE TO u", ""}, {"GRANT CREATE TABLE TO u; GRANT ALTER ON SCHEMA::dbo TO u", "truncate alter create"},
		{"GRANT ALTER TO u", "truncate alter create user role"}, {"GRANT SELECT ON t TO u WITH GRANT OPTION", "select grant"},
		{"GRANT CONTROL TO u", "select insert update delete execute truncate alter create user role grant backup"},
		{"GRANT CONTROL TO u; DENY DELETE ON t TO u", "select insert update execute truncate alter create user role grant backup"},
		{"ALTER ROLE db_owner ADD MEMBER u", "select insert update delete execute truncate alter create user role grant backup"},
		{"ALTER ROLE db_datareader ADD MEMBER u", "select"}, {"ALTER ROLE db_datawriter ADD MEMBER u", "insert update delete"},
		{"ALTER ROLE db_ddladmin ADD MEMBER u", "truncate alter create"}, {"ALTER ROLE db_accessadmin ADD MEMBER u", "user"},
		{"ALTER ROLE db_securityadmin ADD MEMBER u", "role grant"}, {"ALTER ROLE db_backupoperator ADD MEMBER u", "backup"},
		{"ALTER ROLE db_owner ADD MEMBER u; ALTER ROLE db_denydatareader ADD MEMBER u; ALTER ROLE db_denydatawriter ADD MEMBER u", "execute truncate alter create user role grant backup"},
		{"CREATE ROLE r1; CREATE ROLE r2; ALTER ROLE r1 ADD MEMBER r2; ALTER ROLE r2 ADD MEMBER u; GRANT DELETE ON t TO r1", "delete"},
		{"ALTER AUTHORIZATION ON t TO u", "select insert update delete truncate alter grant"},
	} {
		must(t, s, "USE db1; CREATE USER u; "+c.give)
		u := as(t, in, "u", "Secret-of-u-1", "db1")
		may := map[string]bool{}
		for _, name := range strings.Fields(c.may) {
			may[name] = true
		}
		for _, a := range attempts {
			got := query(t, u, a.text)
			if query(t, u, "IF @@TRANCOUNT > 0 ROLLBACK"); strings.Contains(got, "Msg ") == may[a.name] {
				t.Errorf("%q: %s is %s", c.give, a.name, got)
			}
		}
		_ = u.Close()
		must(t, s, undo(c.give)+"DROP USER u")
	}
}

// undo gives the statements that take back what a case of the matrix gave to others than u, or made.
func undo(give string) string {
	var b strings.Builder
	for _, x := range [][2]string{{"SCHEMA::dbo TO public", "REVOKE SELECT ON SCHEMA::dbo FROM public;"}, {"DENY SELECT TO public", "REVOKE SELECT FROM public;"},
		{"AUTHORIZATION", "ALTER AUTHORIZATION ON t TO SCHEMA OWNER;"}, {"ROLE r1", "ALTER ROLE r1 DROP MEMBER r2; ALTER ROLE r2 DROP MEMBER u; DROP ROLE r1; DROP ROLE r2;"}} {
		if strings.Contains(give, x[0]) {
			b.WriteString(x[1])
		}
	}
	return b.String()
}
