package systest_test

import (
	"fmt"
	"strings"
	"testing"

	"linkspan/internal/harness"
)

// A login's life through both clients: made, given a user and a right, used, moved with its hash and SID to another server
// where its database was restored, disabled, and dropped.
func TestLoginsLife(t *testing.T) {
	t.Parallel()
	p := servers(t, pairOptions{})
	for i, c := range []harness.Client{harness.GoClient{}, harness.TSQL{Dir: t.TempDir()}} {
		l := &life{t: t, c: c, name: fmt.Sprintf("clerk%d", i), db: fmt.Sprintf("shop%d", i)}
		l.ok(p.source.login, "CREATE LOGIN {name} WITH PASSWORD = 'Str0ng!Pass-phrase', DEFAULT_LANGUAGE = us_english\nGO\nCREATE DATABASE {db}\nGO\nUSE {db}\nGO\n"+
			"CREATE TABLE dbo.open_book (id int)\nCREATE TABLE dbo.closed_book (id int)\nGO\nCREATE USER {name} FOR LOGIN {name}\nGO\nGRANT SELECT ON dbo.open_book TO {name}\nGO")
		l.may(p.source.login)
		file := l.db + ".bak"
		l.ok(p.source.login, "BACKUP DATABASE {db} TO DISK = '"+file+"'")
		rows := l.ok(p.source.login, "SELECT CONVERT(varchar(200), password_hash, 1), CONVERT(varchar(100), sid, 1) FROM sys.sql_logins WHERE name = '{name}'")
		l.ok(p.target.login, "RESTORE DATABASE {db} FROM DISK = '"+file+"'\nGO\nCREATE LOGIN {name} WITH PASSWORD = "+rows[0].Rows[0][0]+" HASHED, SID = "+rows[0].Rows[0][1]+", CHECK_POLICY = OFF")
		l.may(p.target.login)
		l.ok(p.target.login, "ALTER LOGIN {name} DISABLE")
		l.refused(p.target.login, 18470)
		l.ok(p.target.login, "ALTER LOGIN {name} ENABLE\nGO\nDENY CONNECT SQL TO {name}")
		l.refused(p.target.login, 18456)
		l.ok(p.target.login, "DROP LOGIN {name}")
		l.refused(p.target.login, 18456)
		if orphans := l.ok(p.target.login, "USE {db}\nGO\nEXEC sp_change_users_login 'Report'"); !strings.Contains(fmt.Sprint(orphans), l.name) {
			t.Errorf("%s: the orphans are %v", c.Name(), orphans)
		}
	}
}

// life is one login and its database, as one client sees them.
type life struct {
	t        *testing.T
	c        harness.Client
	name, db string
}

func (l *life) run(as harness.Login, script string) ([]harness.Result, []harness.Message, error) {
	return l.c.Run(l.t.Context(), as, strings.NewReplacer("{name}", l.name, "{db}", l.db).Replace(script))
}

// ok runs a script of the administrator's that raises nothing.
func (l *life) ok(as harness.Login, script string) []harness.Result {
	l.t.Helper()
	results, messages, err := l.run(as, script)
	if err != nil || len(messages) > 0 {
		l.t.Fatalf("%s: %s\n%v, %v", l.c.Name(), script, err, messages)
	}
	return results
}

// self is the login itself on a server.
func (l *life) self(on harness.Login) harness.Login {
	on.User, on.Password = l.name, "Str0ng!Pass-phrase"
	return on
}

// may shows that the login reads what it was given, and is refused the rest by number.
func (l *life) may(on harness.Login) {
	l.t.Helper()
	results, messages, err := l.run(l.self(on), "USE {db}\nGO\nSELECT COUNT(*) AS n FROM dbo.open_book\nGO\nSELECT * FROM dbo.closed_book\nGO\nCREATE TABLE dbo.x (id int)\nGO\nCREATE DATABASE more\nGO")
	var numbers []int
	for _, m := range messages {
		numbers = append(numbers, m.Number)
	}
	if err != nil || fmt.Sprint(numbers) != "[229 262 262]" || len(results) == 0 || strings.TrimSpace(results[0].Rows[0][0]) != "0" {
		l.t.Errorf("%s: %v, results %v, messages %v", l.c.Name(), err, results, messages)
	}
}

// refused shows that the login is not let in.
func (l *life) refused(on harness.Login, number int) {
	l.t.Helper()
	_, messages, err := l.run(l.self(on), "SELECT 1")
	if got := fmt.Sprint(messages, err); !strings.Contains(got, fmt.Sprint(number)) && !strings.Contains(got, "Login failed for user '"+l.name+"'") {
		l.t.Errorf("%s: want %d, got %s", l.c.Name(), number, got)
	}
}
