package instance

import (
	"context"
	"time"

	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/trust"
)

// compatibility is the compatibility level of SQL Server 2022, the version whose behaviour is followed.
const compatibility = 160

// adminSID is the SID of the first administrator, as of SQL Server's sa.
var adminSID = []byte{1}

// vTime is a datetime in the server's time zone (UTC), NULL for the zero time.
func vTime(t time.Time) sqltype.Value {
	if t.IsZero() {
		return sqltype.NullOf(sqltype.DateTime)
	}
	return trust.DateTime(t)
}

// vLSN is an LSN as numeric(25,0), NULL for zero.
func vLSN(l lsn.LSN) sqltype.Value {
	if l.IsZero() {
		return sqltype.NullOf(sqltype.Decimal)
	}
	return vDecimal(l.Decimal(), 25)
}

func (in *Instance) databaseViews() []rel.View {
	return []rel.View{in.sysDatabases(), in.databaseDigest(), in.databasesState(), in.recoveryStatus(), in.errorLogView(), in.logSpaceUsage(), in.logInfo(),
		in.logStats(), in.scrubState(), in.memoryState()}
}

// sysDatabases is sys.databases, with the columns of SQL Server 2019 in its order that have a meaning here.
func (in *Instance) sysDatabases() rel.View {
	v := rel.View{Schema: "sys", Name: "databases"}
	v.Columns = append(v.Columns,
		key("name", tSysname), key("database_id", tInt), col("source_database_id", tInt), col("owner_sid", varbinary(85)),
		key("create_date", tDateTime), key("compatibility_level", tTinyInt), col("collation_name", tSysname),
		col("user_access", tTinyInt), col("user_access_desc", tDesc), col("is_read_only", tBit), key("is_auto_close_on", tBit),
		col("is_auto_shrink_on", tBit), col("state", tTinyInt), col("state_desc", tDesc), col("is_in_standby", tBit),
		col("is_cleanly_shutdown", tBit), col("is_supplemental_logging_enabled", tBit), col("snapshot_isolation_state", tTinyInt),
		col("snapshot_isolation_state_desc", tDesc), col("is_read_committed_snapshot_on", tBit), col("recovery_model", tTinyInt),
		col("recovery_model_desc", tDesc), col("page_verify_option", tTinyInt), col("page_verify_option_desc", tDesc),
		key("is_master_key_encrypted_by_server", tBit), key("is_published", tBit), key("is_broker_enabled", tBit),
		col("log_reuse_wait", tTinyInt), col("log_reuse_wait_desc", tDesc), col("is_encrypted", tBit),
		col("replica_id", tGUID), col("group_database_id", tGUID), col("is_accelerated_database_recovery_on", tBit))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		t := in.sessionToken(s.SessionID)
		for _, d := range in.list() {
			mine := t.login != nil && string(t.login.SID) == string(d.ownerSID())
			if t.has("VIEW ANY DATABASE") || d.ID() == masterID || d.ID() == tempID || d.ID() == s.DatabaseID || mine {
				all = append(all, in.databaseRow(d))
			}
		}
		return all, nil
	})
	return v
}

func (in *Instance) databaseRow(d *Database) []sqltype.Value {
	doc, state, readOnly := d.snapshot(), d.State(), d.readOnly()
	_, replica, groupDatabase, _ := in.hadr.Member(doc.Name)
	masterKey := false
	if m := in.keeper.MasterKey(); m != nil && doc.ID == masterID {
		masterKey = m.ByService != nil
	}
	wait, waitDesc := in.logReuseWait(d)
	access, accessDesc := doc.userAccess()
	return []sqltype.Value{
		vText(doc.Name), vInt(doc.ID), vNull(tInt), sqltype.BytesOf(sqltype.VarBinary, d.ownerSID()),
		vTime(doc.Created), vTiny(doc.Compat), vText(doc.Collation),
		vTiny(access), vText(accessDesc), vBit(readOnly), vBit(false),
		vBit(false), vTiny(uint8(state)), vText(state.String()), vBit(doc.Standby),
		vBit(false), vBit(false), vTiny(1),
		vText("ON"), vBit(true), vTiny(doc.Recovery),
		vText(recoveryNames[doc.Recovery]), vTiny(2), vText("CHECKSUM"),
		vBit(masterKey), vBit(false), vBit(false),
		vTiny(wait), vText(waitDesc), vBit(false),
		vGUID(replica), vGUID(groupDatabase), vBit(true),
	}
}

// logReuseWait tells what keeps the log, as storage sees it.
func (in *Instance) logReuseWait(d *Database) (code uint8, desc string) {
	wait := storage.ReuseNothing
	if db := d.opened(); db != nil {
		wait = db.ReuseWait()
	}
	return uint8(wait), wait.String()
}

// databaseDigest is sys.dm_linkspan_database_digest: the digest of each database's published version. It proves what
// was written; sys.dm_linkspan_databases tells when the pages were last read back from the disk.
func (in *Instance) databaseDigest() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_linkspan_database_digest"}
	v.Columns = append(v.Columns, key("database_id", tInt), key("database_name", tSysname), key("lsn", tLSN),
		key("digest", varbinary(16)), key("pages", tBigInt), key("is_replica", tBit))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, d := range in.list() {
			db, err := d.Storage()
			if err != nil {
				continue
			}
			at, digest := db.Digest()
			all = append(all, []sqltype.Value{vInt(d.ID()), vText(d.Name()), vLSN(at),
				sqltype.BytesOf(sqltype.VarBinary, digest[:]), vBig(int64(db.Stats().Pages)), vBit(db.IsReplica())})
		}
		return all, nil
	})
	return v
}

// databasesState is sys.dm_linkspan_databases: what an operator asks of storage, and why a database is not online.
func (in *Instance) databasesState() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_linkspan_databases"}
	v.Columns = append(v.Columns, key("database_id", tInt), key("database_name", tSysname), key("state_desc", tDesc),
		col("reason", nvarchar(4000)), col("epoch", tInt), col("appended_lsn", tLSN), col("hardened_lsn", tLSN), col("published_lsn", tLSN),
		col("checkpoint_lsn", tLSN), col("oldest_log_lsn", tLSN), col("log_bytes", tBigInt), col("log_size_bytes", tBigInt),
		col("log_segments", tInt), col("pages", tBigInt), col("dirty_pages", tBigInt), col("commits", tBigInt), col("syncs", tBigInt),
		col("checkpoints", tBigInt), col("writers_waiting", tInt), col("last_verified_lsn", tLSN), col("last_verified_time", tDateTime),
		col("bad_pages", tInt))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, d := range in.list() {
			all = append(all, stateRow(d, v))
		}
		return all, nil
	})
	return v
}

func stateRow(d *Database, v rel.View) []sqltype.Value {
	d.mu.RLock()
	db, suspect := d.db, d.suspect
	d.mu.RUnlock()
	row := []sqltype.Value{vInt(d.ID()), vText(d.Name()), vText(d.State().String())}
	if db != nil && suspect == nil {
		suspect = db.Err()
	}
	if suspect != nil {
		row = append(row, vText(suspect.Error()))
	} else {
		row = append(row, vNull(tSysname))
	}
	if db == nil {
		for _, c := range v.Columns[len(row):] {
			row = append(row, vNull(c.Type))
		}
		return row
	}
	s, r := db.Stats(), db.LastVerified()
	return append(row, vInt(int(db.Epoch())), vLSN(db.Appended()), vLSN(db.Hardened()), vLSN(db.Published()),
		vLSN(s.CheckpointLSN), vLSN(s.OldestLSN), vBig(s.LogBytes), vBig(s.LogSize), vInt(s.Segments), vBig(int64(s.Pages)),
		vBig(int64(s.DirtyPages)), vBig(s.Commits), vBig(s.Syncs), vBig(s.Checkpoints), vInt(s.WritersWaiting),
		vLSN(r.LSN), vTime(r.Ended), vInt(len(r.Bad)))
}

// recoveryStatus is sys.database_recovery_status.
func (in *Instance) recoveryStatus() rel.View {
	v := rel.View{Schema: "sys", Name: "database_recovery_status"}
	v.Columns = append(v.Columns, key("database_id", tInt), col("database_guid", tGUID), col("family_guid", tGUID),
		col("last_log_backup_lsn", tLSN), col("recovery_fork_guid", tGUID), col("first_recovery_fork_guid", tGUID), col("fork_point_lsn", tLSN))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, d := range in.list() {
			doc := d.snapshot()
			last, _ := lsn.Parse(doc.LastLogBackup) // "" is zero: no chain
			first, at := doc.firstFork()
			point := vNull(tLSN)
			if !at.IsZero() {
				point = vLSN(at)
			}
			all = append(all, []sqltype.Value{vInt(doc.ID), vGUID(doc.GUID), vGUID(doc.Family), vLSN(last), vGUID(doc.fork()), vGUID(first), point})
		}
		return all, nil
	})
	return v
}
