package servers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"linkspan/bak"
	"linkspan/sqlclient"
)

// tailPrefix begins the names of the backup sets that we take.
const tailPrefix = "linkspan tail "

// standing is how a database stands towards closing and opening.
type standing struct {
	exists   bool
	name     string // as the server spells it
	state    string // sys.databases.state_desc
	standby  bool
	readOnly bool
	access   string
	// history are its last backups as msdb tells, newest first. restored tells that something was restored into it since
	// the newest one.
	history  []set
	restored bool
}

// set is one backup set in msdb.
type set struct {
	id       int64
	uuid     string
	name     string
	kind     string
	closing  bool // taken WITH NORECOVERY: it left the database restoring
	lastLSN  string
	finished time.Time
	file     string
}

// closed tells that the database takes no writers and waits for RESTORE.
func (d *standing) closed() bool {
	return d.state == stateRestoring || d.state == stateOnline && d.standby
}

// byTail tells that a tail-log backup closed the database and that nobody has begun to restore it: its newest backup is
// one WITH NORECOVERY, and nothing came after. ours: that one was taken by TakeTail.
func (d *standing) byTail() (ours, any bool) {
	if len(d.history) == 0 || !d.closed() || d.restored {
		return false, false
	}
	b := d.history[0]
	if b.kind != "L" || !b.closing {
		return false, false
	}
	return strings.HasPrefix(b.name, tailPrefix), true
}

// standing asks the server.
func (s *Server) standing(ctx context.Context, database string) (*standing, error) {
	found, err := s.rows(ctx, `SELECT name, state_desc, is_in_standby, is_read_only, user_access_desc FROM sys.databases WHERE name = @p1`, database)
	if err != nil || len(found) == 0 {
		return &standing{}, err
	}
	r := found[0]
	d := &standing{exists: true, name: r.text("name"), state: r.text("state_desc"), standby: r.yes("is_in_standby"), readOnly: r.yes("is_read_only"),
		access: r.text("user_access_desc")}
	// A set that was restored here from another server is in the history, too: it is the newest then, and none of ours.
	found, err = s.rows(ctx, `SELECT TOP (50) b.backup_set_id, b.backup_set_uuid, b.name, b.type, b.is_force_offline, b.last_lsn, b.backup_finish_date, f.physical_device_name
	FROM msdb.dbo.backupset b LEFT JOIN msdb.dbo.backupmediafamily f ON f.media_set_id = b.media_set_id AND f.family_sequence_number = 1
	WHERE b.database_name = @p1 ORDER BY b.backup_set_id DESC`, d.name)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		b := set{id: r.number("backup_set_id"), name: r.text("name"), kind: r.text("type"), closing: r.yes("is_force_offline"), lastLSN: r.text("last_lsn"),
			finished: r.time("backup_finish_date"), file: r.text("physical_device_name")}
		b.closing = b.closing || strings.HasPrefix(b.name, tailPrefix) // ours always are
		if id := r.text("backup_set_uuid"); id != "" {                 // a copy of old history may lack it
			if b.uuid, err = setID(id); err != nil {
				return nil, err
			}
		}
		d.history = append(d.history, b)
	}
	if len(d.history) == 0 {
		return d, nil
	}
	found, err = s.rows(ctx, `SELECT COUNT(*) AS n FROM msdb.dbo.restorehistory h JOIN msdb.dbo.backupset b ON b.backup_set_id = @p2
	WHERE h.destination_database_name = @p1 AND h.restore_date > b.backup_finish_date`, d.name, d.history[0].id)
	if err != nil {
		return nil, err
	}
	d.restored = len(found) > 0 && found[0].number("n") > 0
	return d, nil
}

// setID is a backup set's id in the form that bak gives it.
func setID(text string) (string, error) {
	g, err := bak.ParseGUID(text)
	if err != nil {
		return "", fmt.Errorf("read the id of a backup set: %w", err)
	}
	return g.String(), nil
}

// alter runs ALTER DATABASE … SET.
func (s *Server) alter(ctx context.Context, database, what string) error {
	_, err := s.rows(ctx, fmt.Sprintf("ALTER DATABASE %s SET %s", sqlclient.QuoteName(database), what))
	return err
}

// everybody lets everybody in again, past one who has become the single user.
func (s *Server) everybody(ctx context.Context, database string) error {
	for try := 1; ; try++ {
		err := s.alter(ctx, database, "MULTI_USER WITH ROLLBACK IMMEDIATE")
		if err == nil || !tried(err, inTheWay) || try >= exclusiveTries {
			return err
		}
		if err := s.evict(ctx, database); err != nil {
			return err
		}
		if err := s.pause(ctx, exclusivePause); err != nil {
			return err
		}
	}
}

// evict ends the sessions that are in a database. SINGLE_USER WITH ROLLBACK IMMEDIATE ends them, too, but not one that has
// become the single user.
func (s *Server) evict(ctx context.Context, database string) error {
	found, err := s.optional(ctx, `SELECT spid AS id FROM master.sys.sysprocesses WHERE dbid = DB_ID(@p1) AND spid > 50 AND spid <> @@SPID`, database)
	if err == nil && len(found) == 0 {
		found, err = s.optional(ctx, `SELECT session_id AS id FROM sys.dm_exec_sessions WHERE database_id = DB_ID(@p1) AND is_user_process = 1 AND session_id <> @@SPID`, database)
	}
	if err != nil {
		return err
	}
	for _, r := range found {
		if _, err := s.rows(ctx, fmt.Sprintf("KILL %d", r.number("id"))); err != nil {
			s.o.Log.Debug("session was not ended", "server", s.Name(), "session", r.number("id"), "reason", err) // it went by itself, or the next try meets it again
		}
	}
	return nil
}
