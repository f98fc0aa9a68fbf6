package servers

import (
	"context"
	"errors"
	"fmt"

	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// Reopen gives a source back that TakeTail closed: it is recovered, and everybody may enter. A database that is open is
// only made MULTI_USER where it is SINGLE_USER; one that is closed for another reason (somebody restores it, or took a tail
// of his own) is left as it is, which is a *flow.Hindrance.
func (s *Server) Reopen(ctx context.Context, database string) error {
	what := "open " + database + " again"
	d, err := s.standing(ctx, database)
	if err != nil {
		return s.trouble(ctx, what, err)
	}
	switch {
	case !d.exists:
		return s.hinder(fmt.Sprintf("the database %s is not on %s any more", database, s.Name()), "restore it from its backups")
	case d.closed():
		if err := s.mayOpen(database, d); err != nil {
			return err
		}
		if err := s.recover(ctx, database, d); err != nil {
			return s.trouble(ctx, what, err)
		}
	case d.state != stateOnline:
		return s.hinder(fmt.Sprintf("the database %s is %s on %s", database, d.state, s.Name()), "bring it online; the server's error log has the reason")
	}
	if d, err = s.standing(ctx, database); err == nil && d.access == "SINGLE_USER" {
		err = s.everybody(ctx, database)
	}
	return s.orTrouble(ctx, what, err)
}

// mayOpen refuses what TakeTail did not close.
func (s *Server) mayOpen(database string, d *standing) error {
	ours, any := d.byTail()
	if ours {
		return nil
	}
	fix := fmt.Sprintf("if it is to take writers again, open it yourself: RESTORE DATABASE %s WITH RECOVERY", sqlclient.QuoteName(database))
	switch {
	case any:
		return s.hinder(fmt.Sprintf("the database %s on %s is closed by the tail-log backup %q in %s, which is not ours", database, s.Name(), d.history[0].name, d.history[0].file), fix)
	case d.restored:
		return s.hinder(fmt.Sprintf("the database %s on %s is %s because somebody restores it", database, s.Name(), d.state), fix)
	default:
		return s.hinder(fmt.Sprintf("the database %s on %s is %s, and its last backup is no tail-log backup of ours", database, s.Name(), d.state), fix)
	}
}

// recover is RESTORE … WITH RECOVERY, past those who read a database in standby. 3153: it is recovered already.
func (s *Server) recover(ctx context.Context, database string, d *standing) error {
	for try := 1; ; try++ {
		if d.standby || try > 1 {
			if err := s.evict(ctx, database); err != nil {
				return err
			}
		}
		_, err := s.rows(ctx, fmt.Sprintf("RESTORE DATABASE %s WITH RECOVERY", sqlclient.QuoteName(database)))
		switch {
		case err == nil, errors.Is(err, &sqlerr.Error{Number: 3153}):
			return nil
		case !tried(err, inTheWay) || try >= exclusiveTries:
			return err
		}
		if err := s.pause(ctx, exclusivePause); err != nil {
			return err
		}
	}
}
