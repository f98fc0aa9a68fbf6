package servers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// hasty is a clock for which every wait is over at once.
type hasty struct{ clock.Clock }

func (hasty) After(time.Duration) (<-chan time.Time, func()) {
	c := make(chan time.Time)
	close(c)
	return c, func() {}
}

const (
	standingOf = "WHERE name = @p1"
	historyOf  = "is_force_offline"
	headerOf   = "RESTORE HEADERONLY"
	backupOf   = "BACKUP LOG"
)

func standsAt(state, access string) line {
	return line{in: standingOf, rows: []row{{"name": "sales", "state_desc": state, "is_in_standby": false, "is_read_only": false, "user_access_desc": access}}}
}

// noFile is what SQL Server says of a file that is not there.
func noFile() line {
	return line{in: headerOf, err: sqlerr.Raise(3201, 16, 2, `Cannot open backup device '\\nas\b\t.trn'. Operating system error 2(The system cannot find the file specified.).`).
		WithCause(sqlerr.Raise(3013, 16, 1, "RESTORE HEADERONLY is terminating abnormally."))}
}

// What SQL Server says when a tail cannot be taken, each with its own next step; the database is given back.
func TestRefusedTails(t *testing.T) {
	t.Parallel()
	backup := func(number int32, text string) line {
		return line{in: backupOf, err: sqlerr.Raise(number, 16, 1, text).WithCause(sqlerr.Raise(3013, 16, 1, "BACKUP LOG is terminating abnormally."))}
	}
	account := line{in: "dm_server_services", rows: []row{{"service_account": `NT Service\MSSQLSERVER`}}}
	open := standsAt("ONLINE", "SINGLE_USER")
	for says, lines := range map[string][]line{
		`give the account that the SQL Server service runs under, NT Service\MSSQLSERVER, the right to write there`: {open, noFile(), account,
			backup(3201, `Cannot open backup device '\\nas\b\t.trn'. Operating system error 5(Access is denied.).`)},
		"correct share.sourcePath":            {open, noFile(), backup(3201, `Cannot open backup device '\\nas\b\t.trn'. Operating system error 3(The system cannot find the path specified.).`)},
		"there is no room for":                {open, noFile(), backup(3202, `Write on "\\nas\b\t.trn" failed: 112(There is not enough space on the disk.)`)},
		"under an account of the domain":      {open, noFile(), backup(3201, `Cannot open backup device '\\nas\b\t.trn'. Operating system error 1326(The user name or password is incorrect.).`)},
		"stop the applications that use it":   {open, noFile(), backup(3101, "Exclusive access could not be obtained because the database is in use.")},
		"availability group, or mirrored":     {open, noFile(), backup(3104, "RESTORE cannot operate on database 'sales' because it is configured for database mirroring or has joined an availability group.")},
		"make the login a member":             {open, noFile(), backup(262, "BACKUP LOG permission denied in database 'sales'.")},
		"there is no full backup that it":     {open, noFile(), backup(4214, "BACKUP LOG cannot be performed because there is no current database backup.")},
		"does not find the folder of":         {open, {in: headerOf, err: sqlerr.Raise(3201, 16, 2, `Cannot open backup device '\\nas\b\t.trn'. Operating system error 53(The network path was not found.).`)}},
		"bring it online":                     {standsAt("OFFLINE", "MULTI_USER")},
		"are files already, and none is over": {open, {in: headerOf, rows: []row{{"backupname": "another"}}}},
		"let that restore end": {standsAt("RESTORING", "MULTI_USER"), {in: historyOf, rows: []row{{"backup_set_uuid": "00112233-4455-6677-8899-AABBCCDDEEFF", "type": "D"}}},
			{in: "restorehistory", rows: []row{{"n": int64(1)}}}},
	} {
		s, f := scripted(t, flow.AtSource, lines...)
		s.o.Clock = hasty{clock.System}
		_, err := s.TakeTail(t.Context(), Tail{Database: "sales", Activity: "a", Number: 1, File: `\\nas\b\t.trn`})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not said in: %v", says, err)
		}
		if f.saw(backupOf) != f.saw("SET MULTI_USER") {
			t.Errorf("%s: the database was not given back: %q", says, f.asked)
		}
	}
}

// Who came between the two statements is sent away, and the tail is taken.
func TestTailIsTriedAgain(t *testing.T) {
	t.Parallel()
	tail := Tail{Database: "sales", Activity: "a", Number: 1, File: `\\nas\b\t.trn`}
	busy := sqlerr.Raise(5061, 16, 1, "ALTER DATABASE failed because a lock could not be placed on database 'sales'.").WithCause(sqlerr.Raise(3101, 16, 1, "Exclusive access could not be obtained."))
	open := standsAt("ONLINE", "MULTI_USER")
	open.once = true
	again := standsAt("ONLINE", "SINGLE_USER")
	again.once = true
	s, f := scripted(t, flow.AtSource, open, again, standsAt("RESTORING", "SINGLE_USER"), noFile(), line{in: backupOf, err: busy, once: true},
		line{in: "sysprocesses", rows: []row{{"id": int64(61)}}})
	s.o.Clock = hasty{clock.System}
	history := line{in: historyOf, rows: []row{{"backup_set_uuid": "00112233-4455-6677-8899-AABBCCDDEEFF", "name": tail.Name(), "type": "L", "is_force_offline": true, "last_lsn": "34000000012300001"}}}
	f.lines = append([]line{{in: historyOf, once: true}, {in: historyOf, once: true}, history}, f.lines...)
	id, err := s.TakeTail(t.Context(), tail)
	if err != nil || id != "00112233-4455-6677-8899-aabbccddeeff" || !f.saw("KILL 61") {
		t.Errorf("%q, %v, asked %q", id, err, f.asked)
	}
}

// The connection breaks while the tail is taken: the next try finds it.
func TestConnectionIsLostDuringTheTail(t *testing.T) {
	t.Parallel()
	tail := Tail{Database: "sales", Activity: "a", Number: 1, File: `\\nas\b\t.trn`}
	s, f := scripted(t, flow.AtSource, standsAt("ONLINE", "MULTI_USER"), noFile(), line{in: backupOf, err: io.ErrUnexpectedEOF})
	_, err := s.TakeTail(t.Context(), tail)
	hindrance(t, err, "tried again by itself", io.ErrUnexpectedEOF.Error())
	f.mu.Lock()
	f.lines = append([]line{standsAt("RESTORING", "SINGLE_USER"), {in: historyOf, rows: []row{{"backup_set_uuid": "00112233-4455-6677-8899-AABBCCDDEEFF", "name": tail.Name(), "type": "L", "is_force_offline": true}}}}, f.lines...)
	f.mu.Unlock()
	if id, err := s.TakeTail(t.Context(), tail); err != nil || id == "" {
		t.Errorf("%q, %v", id, err)
	}
}

// An instance is found through SQL Server Browser, and again when it has come back on another port.
func TestNamedInstanceMoves(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "backup")
	first, second := start(t, "one", instance.SQLServer, folder), start(t, "two", instance.SQLServer, folder)
	var port atomic.Int64
	port.Store(int64(first.Port))
	target := first
	target.Address, target.Port, target.BrowserPort = `127.0.0.1\SALES`, 0, answerPort(t, &port)
	s := open(t, Options{Target: target})
	if s.Name() != `127.0.0.1\SALES` {
		t.Errorf("it is called %s", s.Name())
	}
	if got := must(t, s, "SELECT @@SERVERNAME AS name")[0].text("name"); got != "one" {
		t.Errorf("the port leads to %s", got)
	}
	port.Store(int64(second.Port))
	killer := open(t, Options{Target: first}) // as a restart does, the sessions end
	for _, r := range must(t, killer, "SELECT session_id FROM sys.dm_exec_sessions WHERE session_id <> @@SPID") {
		must(t, killer, fmt.Sprintf("KILL %d", r.number("session_id")))
	}
	if got := must(t, s, "SELECT @@SERVERNAME AS name")[0].text("name"); got != "two" {
		t.Errorf("the new port leads to %s", got)
	}
}

// answerPort is a SQL Server Browser that knows SALES.
func answerPort(t *testing.T, port *atomic.Int64) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 512)
		for {
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			text := fmt.Sprintf("ServerName;X;InstanceName;SALES;IsClustered;No;Version;10.50.6000.34;tcp;%d;;", port.Load())
			_, _ = conn.WriteTo(append(binary.LittleEndian.AppendUint16([]byte{5}, uint16(len(text))), text...), from)
		}
	})
	t.Cleanup(func() { _ = conn.Close(); done.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// A source that only one may enter is read by one connection; one that the user's own tail closed is read, too.
func TestSourcesThatAreReadWithCare(t *testing.T) {
	t.Parallel()
	src, dst, folder := pair(t)
	moved(t, src, dst, folder)
	if err := src.Reopen(t.Context(), "db1"); err != nil {
		t.Fatal(err)
	}
	must(t, src, "ALTER DATABASE db1 SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
	if c := compare(t, src, dst); !c.Equal() || c.Source.State != "ONLINE" || c.Source.LSN != "" {
		t.Errorf("open to one: %s %+v", c, c.Source)
	}
	must(t, src, "ALTER DATABASE db1 SET SINGLE_USER WITH ROLLBACK IMMEDIATE; BACKUP LOG db1 TO DISK = 'own.trn' WITH NORECOVERY")
	if c := compare(t, src, dst); !c.Equal() || c.Source.State != "STANDBY" || c.Source.LSN == "" {
		t.Errorf("closed by the user: %s %+v", c, c.Source)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone home")
	cancel(gone)
	if _, err := Compare(ctx, src, "db1", dst, "db2"); !errors.Is(err, gone) {
		t.Errorf("given up: %v", err)
	}
	if _, err := src.TakeTail(ctx, Tail{Database: "db1", Activity: "a", Number: 3, File: "t3.trn"}); !errors.Is(err, gone) {
		t.Errorf("given up: %v", err)
	}
}

var _ speaker = (*sqlclient.Client)(nil)
