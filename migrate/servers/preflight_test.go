package servers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"linkspan/instance"
	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// found are the ids of findings, those that block with a "!".
func found(all []Finding) string {
	var ids []string
	for _, f := range all {
		id := f.ID
		if f.Blocks {
			id += "!"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

// Each mistake has a message of its own.
func TestEachMistakeIsNamed(t *testing.T) {
	t.Parallel()
	sales := func(more row) line {
		return line{in: theDatabases, rows: []row{database(1, "master", nil), database(5, "sales", more)}}
	}
	files := func(types ...int64) line {
		l := line{in: theFiles}
		for _, n := range types {
			l.rows = append(l.rows, row{"database_id": int64(5), "type": n, "name": "f", "state": int64(0)})
		}
		return l
	}
	backups := func(fullMinutes, logMinutes int64, checksum bool) line {
		return line{in: theBackups, rows: []row{{"database_name": "sales", "type": "D", "has_backup_checksums": checksum, "minutes": fullMinutes},
			{"database_name": "sales", "type": "L", "has_backup_checksums": checksum, "minutes": logMinutes}}}
	}
	for want, c := range map[string]struct {
		lines []line
		ask   string
		says  string
	}{
		"":                         {},
		"database-missing!":        {ask: "sale", says: "there are sales"},
		"system-database!":         {ask: "master", says: "is a system database"},
		"not-sysadmin!":            {lines: []line{{in: theServer, rows: []row{is("16.0.4085.2", "3", row{"sysadmin": int64(0)})}}}, says: "the login mover is not a member"},
		"version-too-old!":         {lines: []line{{in: theServer, rows: []row{is("9.00.5000.00", "2", nil)}}}, says: "version 9.00.5000.00"},
		"source-is-managed!":       {lines: []line{{in: theServer, rows: []row{is("12.0.2000.8", "8", nil)}}}, says: "is a managed instance"},
		"ssisdb!":                  {lines: []line{{in: theDatabases, rows: []row{database(5, "SSISDB", nil)}}}, ask: "ssisdb", says: "provision SSIS in Azure Data Factory"},
		"distribution!":            {lines: []line{{in: "is_distributor", rows: []row{{"database_id": int64(5)}}}}, says: "replication's distribution"},
		"snapshot!":                {lines: []line{sales(row{"source_database_id": int64(6)})}, says: "snapshot"},
		"offline!":                 {lines: []line{sales(row{"state_desc": "OFFLINE"})}, says: "SET ONLINE"},
		"restoring!":               {lines: []line{sales(row{"is_in_standby": true})}, says: "STANDBY"},
		"not-online!":              {lines: []line{sales(row{"state_desc": "SUSPECT"})}, says: "is SUSPECT"},
		"simple-recovery!":         {lines: []line{sales(row{"recovery_model_desc": "SIMPLE"}), {in: theChains}}, says: "no log backups can be taken"},
		"filestream!":              {lines: []line{files(0, 1, 2), {in: "sys.filegroups", rows: []row{{"database_id": int64(5), "type": "FD"}}}}, says: "FILESTREAM"},
		"in-memory":                {lines: []line{files(0, 1, 2), {in: "sys.filegroups", rows: []row{{"database_id": int64(5), "type": "FX"}}}}, says: "Business Critical"},
		"several-log-files!":       {lines: []line{files(0, 1, 1)}, says: "has 2 log files"},
		"bad-files!":               {lines: []line{{in: theFiles, rows: []row{{"database_id": int64(5), "type": int64(0), "name": "old", "state": int64(8), "state_desc": "DEFUNCT"}}}}, says: "old is DEFUNCT"},
		"in-group":                 {lines: []line{{in: "sys.availability_replicas", rows: []row{{"database_id": int64(5), "name": "ag1"}}}}, says: "availability group ag1"},
		"mirrored":                 {lines: []line{{in: "sys.database_mirroring", rows: []row{{"database_id": int64(5)}}}}, says: "SET PARTNER OFF"},
		"published":                {lines: []line{sales(row{"is_published": true})}, says: "replication"},
		"read-only":                {lines: []line{sales(row{"is_read_only": true})}, says: "read-only"},
		"single-user":              {lines: []line{sales(row{"user_access_desc": "SINGLE_USER"})}, says: "is SINGLE_USER"},
		"no-chain":                 {lines: []line{{in: theChains}}, says: "no full backup since"},
		"no-full-backup-lately":    {lines: []line{backups(15*24*60, 10, true)}, says: "15 days ago"},
		"no-log-backup-lately":     {lines: []line{backups(10, 50*60, true)}, says: "50 hours ago"},
		"no-checksum":              {lines: []line{backups(10, 10, false)}, says: "full and log backup without CHECKSUM"},
		"tde":                      {lines: []line{{in: "encryption_state", rows: []row{{"database_id": int64(5), "encryptor_thumbprint": []byte{0xab, 1}}}}}, says: "thumbprint 0xAB01"},
		"trust-server-certificate": {says: "man-in-the-middle"},
	} {
		s, _ := scripted(t, flow.AtSource, c.lines...)
		s.o.Target.TrustServerCertificate = want == "trust-server-certificate"
		if c.ask == "" {
			c.ask = "sales"
		}
		got, err := s.Preflight(t.Context(), []string{c.ask}, Source)
		if err != nil || found(got) != want {
			t.Errorf("%s: found %q, %v", want, found(got), err)
			continue
		}
		if len(got) > 0 && !strings.Contains(got[0].Text+" "+got[0].Fix, c.says) || len(got) > 0 && got[0].Fix == "" {
			t.Errorf("%s: %q is not said in %q", want, c.says, got[0].Text+got[0].Fix)
		}
	}
}

func TestBothServersTogether(t *testing.T) {
	t.Parallel()
	encrypted := []line{{in: "encryption_state", rows: []row{{"database_id": int64(5), "encryptor_thumbprint": []byte{0xab, 1}}}},
		{in: "sys.certificates", rows: []row{{"name": "TDECert", "thumbprint": []byte{0xab, 1}}}}}
	has := func(print byte) line {
		return line{in: "sys.certificates", rows: []row{{"name": "any", "thumbprint": []byte{0xab, print}}}}
	}
	target := func(version, engine string, more row) line {
		return line{in: theServer, rows: []row{is(version, engine, more)}}
	}
	empty := line{in: theDatabases, rows: []row{database(1, "master", nil)}}
	twoLogs := line{in: theFiles, rows: []row{{"database_id": int64(5), "type": int64(1), "state": int64(0)}, {"database_id": int64(5), "type": int64(1), "state": int64(0)}}}
	newer := line{in: theServer, rows: []row{is("17.0.1000.7", "2", nil)}}
	for name, c := range map[string]struct {
		src, dst   []line
		want, says string
	}{
		"fits":                 {nil, []line{target("12.0.2000.8", "8", nil), empty}, "", ""},
		"name taken":           {nil, []line{target("12.0.2000.8", "8", nil)}, "name-taken!", "sales is there on the target SQL1"},
		"no certificate":       {encrypted, []line{target("12.0.2000.8", "8", nil), empty, has(2)}, "tde-certificate-missing!", "certificate TDECert with the thumbprint 0xAB01, which the target"},
		"certificate is there": {encrypted, []line{target("16.0.1.1", "2", nil), empty, has(1)}, "", ""},
		"older target":         {[]line{newer}, []line{target("16.0.1.1", "2", nil), empty}, "version-too-new!", "3169"},
		"older policy":         {[]line{newer}, []line{target("12.0.2000.8", "8", row{"updates": "CU"}), empty}, "version-too-new", "update policy"},
		"always up to date":    {[]line{newer}, []line{target("12.0.2000.8", "8", row{"updates": "Continuous"}), empty}, "", ""},
		"collation":            {nil, []line{target("16.0.1.1", "2", row{"collation": "Latin1_General_BIN2"}), empty}, "collation-differs", "Latin1_General_BIN2"},
		"logs of a SQL Server": {[]line{twoLogs}, []line{target("16.0.1.1", "2", nil), empty}, "", ""},
		"logs of an instance":  {[]line{twoLogs}, []line{target("12.0.2000.8", "8", nil), empty}, "several-log-files!", "41921"},
	} {
		src, _ := scripted(t, flow.AtSource, c.src...)
		dst, _ := scripted(t, flow.AtTarget, c.dst...)
		got, err := Check(t.Context(), src, dst, []Pair{{"sales", "sales"}})
		if err != nil || found(got) != c.want || len(got) > 0 && !strings.Contains(got[0].Text+got[0].Fix, c.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// 500 databases take as many statements as one, but for those with FILESTREAM or In-Memory files, fifty at a time.
func TestManyDatabasesTakeFewStatements(t *testing.T) {
	t.Parallel()
	var databases, files []row
	var names []string
	for i := int64(5); i < 505; i++ {
		name := fmt.Sprintf("db%d", i)
		names = append(names, name)
		databases = append(databases, database(i, name, nil))
		files = append(files, row{"database_id": i, "type": int64(1), "state": int64(0)})
		if i < 125 {
			files = append(files, row{"database_id": i, "type": int64(2), "state": int64(0)})
		}
	}
	s, f := scripted(t, flow.AtSource, line{in: theDatabases, rows: databases}, line{in: theFiles, rows: files})
	got, err := s.Preflight(t.Context(), names, Source)
	if err != nil || strings.Count(found(got), "filestream!") != 120 {
		t.Errorf("%d findings, %v", len(got), err)
	}
	if len(f.asked) != len(pass)+3 {
		t.Errorf("%d statements were sent", len(f.asked))
	}
}

func TestServerThatCannotBeLoggedInTo(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		err  error
		says string
	}{
		"login-refused!":           {sqlerr.Raise(18456, 14, 1, "Login failed for user 'mover'."), "SQL Server authentication"},
		"login-locked!":            {sqlerr.Raise(18486, 14, 1, "Login failed for user 'mover' because the account is currently locked out."), "UNLOCK"},
		"login-disabled!":          {sqlerr.Raise(18470, 14, 1, "Login failed for user 'mover'. Reason: The account is disabled."), "ENABLE"},
		"certificate-not-trusted!": {x509.UnknownAuthorityError{}, "man-in-the-middle"},
		"certificate-name!":        {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "sql1"}, "host"},
		"certificate-invalid!":     {x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, "renew"},
		"tls-too-old!":             {errors.New("tls: server selected unsupported protocol version 301"), "KB3135244"},
		"connection-refused!":      {syscall.ECONNREFUSED, "TCP/IP"},
		"unreachable!":             {fmt.Errorf("dial: %w", context.DeadlineExceeded), "1433"},
		"browser-silent!":          {&sqlclient.BrowserError{Server: "sql1", Instance: "SALES", Port: 1434, Err: sqlclient.ErrNoBrowser}, "UDP port 1434"},
		"instance-unknown!":        {&sqlclient.BrowserError{Server: "sql1", Instance: "SALES", Port: 1434, Known: []string{"HR"}, Err: sqlclient.ErrNoInstance}, "HR"},
		"instance-without-tcp!":    {&sqlclient.BrowserError{Server: "sql1", Instance: "SALES", Port: 1434, Err: sqlclient.ErrNoTCP}, "TCP/IP"},
	} {
		s, f := scripted(t, flow.AtSource)
		f.fails = fmt.Errorf("connect to sql1: %w", c.err)
		got, err := s.Preflight(t.Context(), []string{"sales"}, Source)
		if err != nil || found(got) != want || !strings.Contains(got[0].Fix, c.says) || strings.Contains(got[0].Text, "secret-1") {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
		_, err = s.NotMoved(t.Context())
		hindrance(t, err, c.says)
	}
}

// The same over the wire.
func TestPreflightOfRealServers(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "backup")
	target := start(t, "sqlserver1", instance.SQLServer, folder)
	src := open(t, Options{Target: target})
	mi := open(t, Options{Target: start(t, "sqlmi1", instance.ManagedInstance, folder), At: flow.AtTarget})
	shop(t, src, "db1")
	must(t, src, "CREATE DATABASE db2; ALTER DATABASE db2 SET RECOVERY SIMPLE; CREATE DATABASE db3")
	must(t, mi, "CREATE DATABASE db3")
	got, err := Check(t.Context(), src, mi, []Pair{{"db1", "db1"}, {"db2", "db2"}, {"db3", "db3"}, {"msdb", "x"}, {"db4", "db4"}})
	if want := "no-log-backup-lately simple-recovery! name-taken! no-chain system-database! database-missing!"; err != nil || found(got) != want {
		t.Errorf("found %s, %v\n%+v", found(got), err, got)
	}
	all, err := src.Databases(t.Context())
	if err != nil || len(all) != 7 || all[4].Name != "db1" || all[4].SizeBytes == 0 || !all[0].System {
		t.Errorf("databases %+v, %v", all, err)
	}
	must(t, src, "CREATE CREDENTIAL [https://a.blob.core.windows.net/c] WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = 'sv=x'")
	if left, err := src.NotMoved(t.Context()); err != nil || strings.Join(left, ", ") != "credential https://a.blob.core.windows.net/c" {
		t.Errorf("left behind: %v, %v", left, err)
	}
	must(t, src, "CREATE LOGIN plain WITH PASSWORD = 'Tests-only-2'")
	x := target
	x.User, x.Password = "plain", "Tests-only-2"
	plain := open(t, Options{Target: x})
	if got, err := plain.Preflight(t.Context(), []string{"db1"}, Source); err != nil || len(got) == 0 || got[0].ID != "not-sysadmin" || !strings.Contains(got[0].Text, "login plain") {
		t.Errorf("a login that is not sysadmin: %+v, %v", got, err)
	}
	_, err = plain.TakeTail(t.Context(), Tail{Database: "db1", Activity: "a", Number: 1, File: filepath.Join(folder, "t.trn")})
	hindrance(t, err, "make the login a member of the server role sysadmin")
	if got := state(t, src, "db1"); got != "ONLINE MULTI_USER" {
		t.Errorf("after a tail that was not permitted it is %s", got)
	}
	for want, change := range map[string]func(*sqlclient.Target){
		"login-refused!":           func(x *sqlclient.Target) { x.Password = "wrong-1" },
		"certificate-not-trusted!": func(x *sqlclient.Target) { x.CA = nil },
		"certificate-name!":        func(x *sqlclient.Target) { x.Host = "other.example" },
		"connection-refused!":      func(x *sqlclient.Target) { x.Port = 1 },
		"name-unknown!":            func(x *sqlclient.Target) { x.Address = "no-such-host.invalid" },
	} {
		x := target
		x.DialTimeout = 20 * time.Second
		change(&x)
		got, err := open(t, Options{Target: x}).Preflight(t.Context(), []string{"db1"}, Source)
		if err != nil || found(got) != want {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
}

func TestWhatStaysBehindIsNamed(t *testing.T) {
	t.Parallel()
	s, _ := scripted(t, flow.AtSource, line{in: "sysjobs", rows: []row{{"name": "nightly"}, {"name": "weekly"}}}, line{in: "is_linked", rows: []row{{"name": "ORA1"}}},
		line{in: "sys.server_triggers", rows: []row{{"name": "no drops"}}}, line{in: "sysoperators", err: sqlerr.Raise(229, 14, 5, "The SELECT permission was denied.")})
	got, err := s.NotMoved(t.Context())
	if want := "SQL Agent job nightly, SQL Agent job weekly, linked server ORA1, server trigger no drops"; err != nil || strings.Join(got, ", ") != want {
		t.Errorf("%v, %v", got, err)
	}
}
