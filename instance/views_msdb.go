package instance

import (
	"context"
	"fmt"

	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/storage"
)

// backupSet is msdb.dbo.backupset, with the columns that have a value here, in SQL Server's order.
func (in *Instance) backupSet() rel.View {
	char := sqltype.Type{Kind: sqltype.Char, Len: 1}
	v := rel.View{Schema: "dbo", Name: "backupset"}
	v.Columns = []sqlapi.Column{key("backup_set_id", tInt), key("backup_set_uuid", tGUID), key("media_set_id", tInt), col("position", tInt),
		col("expiration_date", tDateTime), col("name", tSysname), col("description", nvarchar(255)), col("user_name", tSysname),
		col("first_lsn", tLSN), col("last_lsn", tLSN), col("checkpoint_lsn", tLSN), col("database_backup_lsn", tLSN),
		col("backup_start_date", tDateTime), col("backup_finish_date", tDateTime), col("type", char), col("backup_size", tSize),
		col("database_name", tSysname), col("server_name", tSysname), col("machine_name", tSysname), col("recovery_model", tDesc),
		col("has_backup_checksums", tBit), col("is_damaged", tBit), col("is_force_offline", tBit), col("is_copy_only", tBit),
		col("last_recovery_fork_guid", tGUID), col("family_guid", tGUID), col("differential_base_lsn", tLSN), col("differential_base_guid", tGUID),
		col("compressed_backup_size", tSize)}
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		sets, err := in.backupHistory(ctx)
		var all [][]sqltype.Value
		for i := range sets {
			all = append(all, in.backupRow(&sets[i]))
		}
		return all, err
	})
	return v
}

// storedLSN is an LSN that we wrote in decimal, NULL for "".
func storedLSN(text string) sqltype.Value {
	at, _ := lsn.Parse(text)
	return vLSN(at)
}

// storedText is a text, NULL for "".
func storedText(s string) sqltype.Value {
	if s == "" {
		return vNull(tSysname)
	}
	return vText(s)
}

func (in *Instance) backupRow(d *backupDoc) []sqltype.Value {
	s := d.Set
	if s == nil { // a backup to NUL
		s = &setDoc{Position: 1, Size: d.Pages * storage.PageSize, User: in.opts.Administrator, Checkpoint: d.Last, Backup: d.First}
	}
	size := vDecimal(fmt.Sprint(s.Size), 20)
	return []sqltype.Value{vInt(d.ID), vGUID(s.ID), vInt(d.ID), vInt(s.Position),
		vNull(tDateTime), storedText(d.Name), storedText(s.Description), vText(s.User),
		storedLSN(d.First), storedLSN(d.Last), storedLSN(s.Checkpoint), storedLSN(s.Backup),
		vTime(d.Started), vTime(d.Finished), sqltype.StringOf(sqltype.Char, d.Type), size,
		vText(d.Database), vText(in.opts.serverName()), vText(in.opts.Name), vText(d.Model),
		vBit(s.Checksums), vBit(false), vBit(s.Tail), vBit(d.CopyOnly),
		vGUID(s.Fork), vGUID(s.Family), storedLSN(s.Base), vGUID(s.BaseSet), size}
}

// backupMediaFamily is msdb.dbo.backupmediafamily: one row for each device of a backup. Every backup counts as a media
// set of its own, also one that was appended to another.
func (in *Instance) backupMediaFamily() rel.View {
	v := rel.View{Schema: "dbo", Name: "backupmediafamily"}
	v.Columns = []sqlapi.Column{key("media_set_id", tInt), key("family_sequence_number", tTinyInt), col("media_family_id", tGUID), col("media_count", tTinyInt),
		col("logical_device_name", tSysname), col("physical_device_name", nvarchar(260)), col("device_type", tTinyInt), col("physical_block_size", tInt), key("mirror", tTinyInt)}
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		sets, err := in.backupHistory(ctx)
		var all [][]sqltype.Value
		for _, d := range sets {
			devices, media := []string{d.Device}, [16]byte{}
			if d.Set != nil {
				devices, media = d.Set.Devices, d.Set.MediaSet
			}
			for i, name := range devices {
				all = append(all, []sqltype.Value{vInt(d.ID), vTiny(uint8(i + 1)), vGUID(media), vTiny(1), vNull(tSysname), vText(name), vTiny(2), vInt(512), vTiny(0)})
			}
		}
		return all, err
	})
	return v
}
