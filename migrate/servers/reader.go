package servers

import (
	"context"
	"fmt"
	"strings"

	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// reader reads the tables of one database.
type reader struct {
	server   *Server
	database string
	client   speaker
	turn     chan struct{} // as many as may read at once
	began    string        // the end of its log, "" when the server does not tell
}

// wentOn tells whether the log grew since the reader was made.
func (r *reader) wentOn(ctx context.Context) (bool, error) {
	now, err := r.server.logEnd(ctx, r.database)
	return now != r.began, err
}

func (r *reader) close() {
	if err := r.client.Close(); err != nil {
		r.server.o.Log.Debug("connection did not close", "server", r.server.Name(), "reason", err)
	}
}

// content reads one table.
func (r *reader) content(ctx context.Context, t *table, into *Content) error {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.turn }()
	d, err := t.read(ctx, r.client)
	if err != nil {
		return r.server.trouble(ctx, fmt.Sprintf("compare %s", r.database), err)
	}
	*into = Content{Present: true, Rows: d.rows, Digest: d.String()}
	return nil
}

// reader makes a database readable and connects to it. When it cannot be read, reader is nil and why says it.
func (s *Server) reader(ctx context.Context, database string, side *Side, source bool) (r *reader, why string, err error) {
	d, err := s.standing(ctx, database)
	if err != nil {
		return nil, "", err
	}
	if !d.exists {
		return nil, "", s.hinder(fmt.Sprintf("the database %s is not on %s", database, s.Name()), "correct its name")
	}
	if source {
		side.LSN = d.closedAt()
		if why, err = s.readable(ctx, database, &d); err != nil || why != "" {
			side.State = d.state
			return nil, why, err
		}
	} else if side.LSN, err = s.recoveredTo(ctx, d); err != nil {
		return nil, "", err
	}
	if side.State = d.state; d.state != stateOnline {
		return nil, fmt.Sprintf("the database %s is %s on %s", database, d.state, s.Name()), nil
	}
	if d.standby {
		side.State = "STANDBY"
	}
	if err := s.pages(ctx, database, side); err != nil {
		return nil, "", err
	}
	began, err := s.logEnd(ctx, database)
	if err != nil {
		return nil, "", err
	}
	t := s.o.Target
	t.Database = database
	c, err := s.dial(ctx, t)
	if err != nil {
		return nil, "", err
	}
	at := tablesAtOnce
	if d.access != multiUser {
		at = 1 // the single user is this one connection
	}
	return &reader{server: s, database: database, client: c, turn: make(chan struct{}, at), began: began}, "", nil
}

// closedAt is where the log ends that was backed up when the database was closed; "" while it is open.
func (d *standing) closedAt() string {
	if _, any := d.byTail(); any {
		return d.history[0].lastLSN
	}
	return ""
}

// readable lets a closed source be read: WITH STANDBY it goes on taking no writers. why says that it cannot be.
func (s *Server) readable(ctx context.Context, database string, d **standing) (why string, err error) {
	if (*d).state != stateRestoring {
		return "", nil
	}
	cannot := fmt.Sprintf("the contents were not compared: the source's database %s is RESTORING, and ", database)
	if _, any := (*d).byTail(); !any {
		return cannot + "no tail-log backup closed it, so it is not touched", nil
	}
	undo, err := s.undoFile(ctx, database)
	if err != nil {
		return "", err
	}
	if _, err := s.rows(ctx, fmt.Sprintf("RESTORE DATABASE %s WITH STANDBY = %s", sqlclient.QuoteName(database), sqlclient.QuoteString(undo))); err != nil {
		if sqlerr.Number(err) == 0 {
			return "", err
		}
		return cannot + "cannot be made readable (RESTORE … WITH STANDBY): " + sqlerr.From(err).Error(), nil
	}
	if err := s.alter(ctx, database, "MULTI_USER"); err != nil { // it is read by one connection then
		s.o.Log.Info("database in standby stays with a single user", "server", s.Name(), "database", database, "reason", err)
	}
	*d, err = s.standing(ctx, database)
	return "", err
}

// undoFile is where SQL Server keeps what STANDBY takes back: beside the database's first file.
func (s *Server) undoFile(ctx context.Context, database string) (string, error) {
	found, err := s.rows(ctx, "SELECT physical_name FROM sys.master_files WHERE database_id = DB_ID(@p1) AND file_id = 1", database)
	if err != nil {
		return "", err
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`\/:*?"<>|'`, r) {
			return '_'
		}
		return r
	}, database) + "_linkspan_undo.bak"
	if len(found) == 0 {
		return name, nil
	}
	physical := found[0].text("physical_name")
	return physical[:strings.LastIndexAny(physical, `\/`)+1] + name, nil
}

// recoveredTo is the LSN to which a target was recovered: where its recovery fork begins; else the end of the last backup
// that was restored into it; else where its log backups will go on.
func (s *Server) recoveredTo(ctx context.Context, d *standing) (string, error) {
	for _, text := range []string{
		"SELECT fork_point_lsn AS at FROM sys.database_recovery_status WHERE database_id = DB_ID(@p1) AND fork_point_lsn IS NOT NULL",
		`SELECT TOP (1) b.last_lsn AS at FROM msdb.dbo.restorehistory h JOIN msdb.dbo.backupset b ON b.backup_set_id = h.backup_set_id
		WHERE h.destination_database_name = @p1 ORDER BY h.restore_history_id DESC`,
		"SELECT last_log_backup_lsn AS at FROM sys.database_recovery_status WHERE database_id = DB_ID(@p1) AND last_log_backup_lsn IS NOT NULL",
	} {
		found, err := s.optional(ctx, text, d.name)
		if err != nil {
			return "", err
		}
		if len(found) > 0 && found[0].text("at") != "" {
			return found[0].text("at"), nil
		}
	}
	return "", nil
}

// pages reads the digest over the pages, where the server has one.
func (s *Server) pages(ctx context.Context, database string, side *Side) error {
	found, err := s.optional(ctx, "SELECT lsn, digest FROM sys.dm_linkspan_database_digest WHERE database_name = @p1", database)
	if err == nil && len(found) > 0 {
		side.PagesLSN, side.Pages = found[0].text("lsn"), strings.ToLower(sqlclient.Binary(found[0].bytes("digest")))
	}
	return err
}

// logEnd is where the log ends; "" before SQL Server 2016 SP2, which does not tell.
func (s *Server) logEnd(ctx context.Context, database string) (string, error) {
	found, err := s.optional(ctx, "SELECT log_end_lsn AS at FROM sys.dm_db_log_stats(DB_ID(@p1))", database)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].text("at"), nil
}
