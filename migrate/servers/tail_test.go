package servers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/bak"
	"linkspan/sqlclient"
)

func TestTailIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	src, _, folder := pair(t)
	const name = "it's [a] shop"
	shop(t, src, name)
	user := open(t, Options{Target: src.o.Target})
	must(t, user, "USE "+sqlclient.QuoteName(name)) // an application that stays connected
	tail := Tail{Database: name, Activity: "move sales", Number: 1, File: filepath.Join(folder, "tail.trn")}
	id, err := src.TakeTail(t.Context(), tail)
	if err != nil {
		t.Fatal(err)
	}
	if got := state(t, src, name); !strings.HasPrefix(got, "RESTORING") {
		t.Errorf("after its tail the database is %s", got)
	}
	if g, err := bak.ParseGUID(id); err != nil || g.String() != id {
		t.Errorf("the id is %q", id)
	}
	header := must(t, src, "RESTORE HEADERONLY FROM DISK = "+sqlclient.QuoteString(tail.File))
	if len(header) != 1 || !strings.EqualFold(header[0].text("backupsetguid"), id) || header[0].text("backupname") != "linkspan tail move sales/it's [a] shop/1" || !header[0].yes("hasbackupchecksums") {
		t.Errorf("the file holds %v, the id is %s", header, id)
	}
	again, err := src.TakeTail(t.Context(), tail)
	if err != nil || again != id {
		t.Errorf("taken again: %q %v", again, err)
	}
	for range 2 { // the second is nothing
		if err := src.Reopen(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if got := state(t, src, name); got != "ONLINE MULTI_USER" {
			t.Errorf("given back it is %s", got)
		}
	}
	must(t, src, "INSERT INTO "+sqlclient.QuoteName(name)+".dbo.orders(what) VALUES (N'later')")
	_, err = src.TakeTail(t.Context(), tail) // an order that comes late
	hindrance(t, err, "was opened", "start it again")
	if got := state(t, src, name); got != "ONLINE MULTI_USER" {
		t.Errorf("after a late order it is %s", got)
	}
	tail.Number = 2 // the next cutover, with the same name of a file
	if second, err := src.TakeTail(t.Context(), tail); err != nil || second == id {
		t.Fatalf("the second cutover's: %q %v", second, err)
	}
	if files, _ := filepath.Glob(filepath.Join(folder, "tail*")); len(files) != 2 {
		t.Errorf("there are %v", files)
	}
}

// What was there before is found: a database closed to all but one, a file that is somebody's, a set that only the file
// tells of.
func TestTailIsResumed(t *testing.T) {
	t.Parallel()
	src, _, folder := pair(t)
	shop(t, src, "db1")
	file := filepath.Join(folder, "db1.trn")
	foreign := []byte("not a backup, and not to be written over")
	if err := os.WriteFile(file, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, src, "ALTER DATABASE db1 SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
	intruder := open(t, Options{Target: src.o.Target})
	must(t, intruder, "USE db1") // who came first after a crash is the single user now
	tail := Tail{Database: "db1", Activity: "a", Number: 7, File: file}
	id, err := src.TakeTail(t.Context(), tail)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != string(foreign) {
		t.Errorf("the file that was there holds %q, %v", b, err)
	}
	d, err := src.standing(t.Context(), "db1")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.history[0].file; got != filepath.Join(folder, "db1-2.trn") {
		t.Errorf("it was written to %s", got)
	}
	d.history = nil // msdb has forgotten it
	found, err := src.taken(t.Context(), tail, d)
	if err != nil || found != id {
		t.Errorf("found by its file: %q, %v; want %s", found, err, id)
	}
	tail.Number = 8
	if _, err = src.taken(t.Context(), tail, d); err == nil {
		t.Error("another cutover's tail was taken for this one's")
	}
	hindrance(t, err, "RESTORE DATABASE [db1] WITH RECOVERY", "broke off")
}

func TestTailCannotBeWritten(t *testing.T) {
	t.Parallel()
	src, _, folder := pair(t)
	shop(t, src, "db1")
	_, err := src.TakeTail(t.Context(), Tail{Database: "db1", Activity: "a", Number: 1, File: "/nowhere/t.trn"})
	hindrance(t, err, "may not write /nowhere/t.trn", "Operating system error 5", "the account that the SQL Server service runs under")
	if got := state(t, src, "db1"); got != "ONLINE MULTI_USER" {
		t.Errorf("after a tail that failed it is %s", got)
	}
	must(t, src, "ALTER DATABASE db1 SET RECOVERY SIMPLE")
	_, err = src.TakeTail(t.Context(), Tail{Database: "db1", Activity: "a", Number: 1, File: filepath.Join(folder, "t.trn")})
	if err == nil || !strings.Contains(err.Error(), "SIMPLE") || !strings.Contains(err.Error(), "Msg 4208") {
		t.Errorf("without log backups: %v", err)
	}
	if got := state(t, src, "db1"); got != "ONLINE MULTI_USER" {
		t.Errorf("after a tail that was refused it is %s", got)
	}
	_, err = src.TakeTail(t.Context(), Tail{Database: "gone", Activity: "a", Number: 1, File: filepath.Join(folder, "t.trn")})
	if err == nil || !strings.Contains(err.Error(), "is not on") {
		t.Errorf("of no database: %v", err)
	}
}

// What TakeTail did not close is not opened.
func TestReopenLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	src, dst, folder := pair(t)
	shop(t, src, "db1")
	must(t, dst, "RESTORE DATABASE db1 FROM DISK = 'db1.bak' WITH NORECOVERY")
	hindrance(t, dst.Reopen(t.Context(), "db1"), "RESTORING", "no tail-log backup of ours")
	if got := state(t, dst, "db1"); !strings.HasPrefix(got, "RESTORING") {
		t.Errorf("somebody's restore is %s", got)
	}
	must(t, src, "BACKUP LOG db1 TO DISK = 'theirs.trn' WITH NORECOVERY, NAME = 'mine'")
	hindrance(t, src.Reopen(t.Context(), "db1"), "theirs.trn", "not ours")
	_, err := src.TakeTail(t.Context(), Tail{Database: "db1", Activity: "a", Number: 1, File: filepath.Join(folder, "t.trn")})
	hindrance(t, err, "another tail-log backup", "theirs.trn")
	hindrance(t, src.Reopen(t.Context(), "gone"), "is not on")

	shop(t, src, "db2")
	if _, err := src.TakeTail(t.Context(), Tail{Database: "db2", Activity: "a", Number: 1, File: filepath.Join(folder, "t2.trn")}); err != nil {
		t.Fatal(err)
	}
	must(t, src, "RESTORE DATABASE db2 FROM DISK = 'db2.bak' WITH NORECOVERY, REPLACE")
	hindrance(t, src.Reopen(t.Context(), "db2"), "somebody restores it")
}

func TestNameOfTail(t *testing.T) {
	t.Parallel()
	long := Tail{Activity: strings.Repeat("ä", 128), Database: strings.Repeat("x", 128), Number: 12}
	if n := len([]rune(long.Name())); n > 128 || !strings.HasPrefix(long.Name(), tailPrefix) || !strings.HasSuffix(long.Name(), "/12") {
		t.Errorf("%d characters: %s", n, long.Name())
	}
	if f := (Tail{File: `\\host\share.x\db`}).files(); f[1] != `\\host\share.x\db-2` {
		t.Errorf("the second name is %s", f[1])
	}
	if f := (Tail{File: `\\host\share\db.tail.trn`}).files(); f[8] != `\\host\share\db.tail-9.trn` {
		t.Errorf("the ninth name is %s", f[8])
	}
}
