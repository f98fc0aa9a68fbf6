package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf16"

	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// Tail says which tail-log backup is to be taken.
type Tail struct {
	// Database is the source's; Activity is whose cutover it is, and Number the cutover's, which is another one each time.
	Database string
	Activity string
	Number   int
	// File is where the source writes it: a path as BACKUP … TO DISK takes it. When something is there already, "-2" to "-9"
	// are put before its extension: no file is ever overwritten or appended to.
	File string
}

// maxName is how many UTF-16 units the name of a backup set may have.
const maxName = 128

// Name is what the backup set is called: "linkspan tail activity/database/number", shortened where that is too long.
func (t Tail) Name() string {
	name := fmt.Sprintf("%s%s/%s/%d", tailPrefix, t.Activity, t.Database, t.Number)
	if len(utf16.Encode([]rune(name))) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(t.Activity + "/" + t.Database))
	return fmt.Sprintf("%s~%s/%d", tailPrefix, hex.EncodeToString(sum[:16]), t.Number)
}

// files are the names that are tried, in order.
func (t Tail) files() []string {
	ext := path.Ext(strings.ReplaceAll(t.File, `\`, "/"))
	stem := strings.TrimSuffix(t.File, ext)
	all := []string{t.File}
	for n := 2; n <= 9; n++ {
		all = append(all, fmt.Sprintf("%s-%d%s", stem, n, ext))
	}
	return all
}

// How often a statement is tried that others stand in the way of, and how long is waited between.
const (
	exclusiveTries = 10
	exclusivePause = time.Second
)

// inTheWay are the errors of a database that others use at this moment: of exclusive access, of SINGLE_USER, of a deadlock,
// of a backup that runs.
var inTheWay = map[int32]bool{924: true, 1205: true, 3023: true, 3101: true, 3102: true, 5030: true, 5061: true, 5064: true, 5070: true}

// TakeTail backs the tail of the log up WITH NORECOVERY, which closes the database, and gives the id of the backup set in
// the form of bak.GUID. Sessions in the database are ended, and their transactions rolled back. When that backup was taken
// before, nothing is done and its id is given. A backup that fails leaves the database open to everybody again. Errors are
// *flow.Hindrance (asked for again, it may succeed) and *flow.Halt.
func (s *Server) TakeTail(ctx context.Context, t Tail) (string, error) {
	what := fmt.Sprintf("take the tail of the log of %s", t.Database)
	for try := 1; ; try++ {
		d, err := s.standing(ctx, t.Database)
		if err != nil {
			return "", s.trouble(ctx, what, err)
		}
		id, err := s.taken(ctx, t, d)
		if id != "" || err != nil {
			return id, s.orTrouble(ctx, what, err)
		}
		file, err := s.freeFile(ctx, t)
		if err != nil {
			return "", s.orTrouble(ctx, what, err)
		}
		if try > 1 {
			if err := s.evict(ctx, t.Database); err != nil {
				return "", s.trouble(ctx, what, err)
			}
		}
		if err = s.close(ctx, t, file); err == nil {
			continue // and find it
		}
		if !tried(err, inTheWay) || try >= exclusiveTries {
			return "", s.refusedTail(ctx, t, file, err)
		}
		s.o.Log.Info("database is in use, its tail is tried again", "server", s.Name(), "database", t.Database, "reason", err)
		if err := s.pause(ctx, exclusivePause); err != nil {
			s.giveBack(ctx, t.Database)
			return "", err
		}
	}
}

func (s *Server) orTrouble(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return s.trouble(ctx, what, err)
}

// taken looks whether the tail was taken: by its name in msdb, or in the header of its file. "" when it was not, and the
// database is open.
func (s *Server) taken(ctx context.Context, t Tail, d *standing) (string, error) {
	if !d.exists {
		return "", &flow.Halt{What: fmt.Sprintf("the database %s is not on %s any more", t.Database, s.Name()), Fix: "restore it, or cancel its migration"}
	}
	name := t.Name()
	for i, b := range d.history {
		if b.name != name || !b.closing {
			continue
		}
		if ours, _ := d.byTail(); ours && i == 0 {
			return b.uuid, nil
		}
		return "", s.hinder(fmt.Sprintf("the tail of %s was taken (%s), and after that the database was opened, backed up or restored by somebody", t.Database, b.file),
			"give this cutover up, and start it again: what was written since is not in that tail")
	}
	switch {
	case d.state == stateOnline && !d.standby:
		return "", nil
	case !d.closed():
		return "", s.hinder(fmt.Sprintf("the database %s is %s on %s", t.Database, d.state, s.Name()), "bring it online; the server's error log has the reason")
	}
	return s.takenUnseen(ctx, t, d)
}

// takenUnseen looks for a tail of a closed database that msdb does not know: in the files where it would be.
func (s *Server) takenUnseen(ctx context.Context, t Tail, d *standing) (string, error) {
	give := fmt.Sprintf("RESTORE DATABASE %[1]s WITH RECOVERY; ALTER DATABASE %[1]s SET MULTI_USER", sqlclient.QuoteName(t.Database))
	if _, any := d.byTail(); any {
		return "", s.hinder(fmt.Sprintf("the database %s is closed by another tail-log backup, %q in %s", t.Database, d.history[0].name, d.history[0].file),
			"put that file on the share and go on with your own tail, or open the database: "+give)
	}
	if d.restored || d.standby {
		return "", s.hinder(fmt.Sprintf("the database %s is %s because somebody restores it", t.Database, strings.TrimSpace(d.state+" "+map[bool]string{true: "STANDBY"}[d.standby])),
			"let that restore end, or cancel the migration")
	}
	for _, f := range t.files() {
		found, err := s.header(ctx, f)
		if err != nil {
			return "", err
		}
		for _, r := range found {
			if r.text("backupname") == t.Name() && r.text("databasename") == d.name {
				return setID(r.text("backupsetguid"))
			}
		}
	}
	return "", s.hinder(fmt.Sprintf("the database %s is RESTORING, and neither msdb nor %s holds a tail of it: a tail-log backup broke off, or somebody restores it", t.Database, t.File),
		"if nobody restores it, nothing is lost: open it with "+give+", and start the cutover again")
}

// header reads the headers of a file of backups; nil when there is no such file, and when there is one that holds nothing
// that can be read, one empty row. An error says that the place cannot be reached.
func (s *Server) header(ctx context.Context, file string) ([]row, error) {
	found, err := s.rows(ctx, "RESTORE HEADERONLY FROM DISK = "+sqlclient.QuoteString(file))
	switch {
	case err == nil && len(found) == 0:
		return []row{{}}, nil
	case err == nil:
		return found, nil
	case !aboutMedia(sqlerr.Number(err)):
		return nil, err
	case tried(err, map[int32]bool{3201: true}):
		if osError(err) == osNotFound {
			return nil, nil
		}
		return nil, s.unwritable(ctx, file, err)
	default:
		return []row{{}}, nil // something is there
	}
}

// aboutMedia tells whether an error of RESTORE HEADERONLY is about the file (3110: about who asks).
func aboutMedia(number int32) bool {
	return number >= 3000 && number < 4000 && number != 3110 && number != 3204
}

// freeFile gives a name under which there is no file yet. It also shows that the place can be reached, while the database
// is still open.
func (s *Server) freeFile(ctx context.Context, t Tail) (string, error) {
	for _, f := range t.files() {
		found, err := s.header(ctx, f)
		if err != nil {
			return "", err
		}
		if found == nil {
			return f, nil
		}
	}
	return "", s.hinder(fmt.Sprintf("%s and the eight names after it are files already, and none is overwritten", t.File), "move them away")
}

// close ends the sessions in the database and takes its tail, in one batch: between the two statements others could come in.
func (s *Server) close(ctx context.Context, t Tail, file string) error {
	db := sqlclient.QuoteName(t.Database)
	_, err := s.rows(ctx, fmt.Sprintf("ALTER DATABASE %[1]s SET SINGLE_USER WITH ROLLBACK IMMEDIATE;\n"+
		"BACKUP LOG %[1]s TO DISK = %[2]s WITH NORECOVERY, CHECKSUM, NOINIT, NAME = %[3]s;", db, sqlclient.QuoteString(file), sqlclient.QuoteString(t.Name())))
	return err
}

// refusedTail opens the database again after its tail could not be taken, and says why.
func (s *Server) refusedTail(ctx context.Context, t Tail, file string, err error) error {
	s.giveBack(ctx, t.Database)
	what := fmt.Sprintf("take the tail of the log of %s", t.Database)
	switch {
	case tried(err, inTheWay):
		return &flow.Hindrance{At: s.o.At, What: what + ": others are in the database again and again", Fix: "stop the applications that use it", Err: err}
	case tried(err, map[int32]bool{4208: true}):
		return &flow.Halt{What: what + ": its recovery model is SIMPLE", Fix: "ALTER DATABASE … SET RECOVERY FULL, take a full backup, and let the migration begin again from it", Err: err}
	case tried(err, map[int32]bool{4214: true}):
		return &flow.Halt{What: what + ": there is no full backup that it could follow", Fix: "take a full backup, and let the migration begin again from it", Err: err}
	case tried(err, map[int32]bool{3104: true, 1468: true, 3059: true}):
		return &flow.Halt{What: what + ": the database is in an availability group, or mirrored", Fix: "take it out of the group, or end mirroring, and start the cutover again", Err: err}
	case tried(err, map[int32]bool{3201: true, 3202: true, 3203: true, 3271: true}), sqlerr.Number(err) == 3013:
		return s.unwritable(ctx, file, err)
	}
	return s.trouble(ctx, what, err)
}

// giveBackIn bounds giving a database back after the caller has gone.
const giveBackIn = 30 * time.Second

// giveBack lets everybody into a database that is still open. That it failed is only logged: Reopen does it again.
func (s *Server) giveBack(ctx context.Context, database string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackIn)
	defer cancel()
	d, err := s.standing(ctx, database)
	if err == nil && d.exists && !d.closed() && d.access != multiUser {
		err = s.everybody(ctx, database)
	}
	if err != nil {
		s.o.Log.Warn("database is left to a single user", "server", s.Name(), "database", database, "reason", err)
	}
}

// tried tells whether one of the errors of a batch has such a number.
func tried(err error, numbers map[int32]bool) bool {
	for n := range numbers {
		if errors.Is(err, &sqlerr.Error{Number: n}) {
			return true
		}
	}
	return false
}
