package instance

import (
	"context"
	"math"
	"strconv"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// logFileName is the logical name of a database's log file.
func (doc *databaseDoc) logFileName() string { return prefix(doc.Name, maxName-4) + "_log" }

// modifyFile is ALTER DATABASE … MODIFY FILE: MAXSIZE of the log file is what can be set.
func (in *Instance) modifyFile(ctx context.Context, d *Database, list []ast.Option) error {
	doc := d.snapshot()
	name := ""
	if o := ast.FindOption(list, "NAME"); o != nil {
		name = nameOf(o.Value)
	}
	for _, o := range list {
		if o.Name != "NAME" && o.Name != "MAXSIZE" {
			return unsupported("MODIFY FILE … "+o.Name, "the server manages its files; MAXSIZE of the log file bounds them")
		}
	}
	size := ast.FindOption(list, "MAXSIZE")
	switch {
	case in.fold(name) == in.fold(doc.Name) && in.fold(name) != in.fold(doc.logFileName()):
		return unsupported("MODIFY FILE of the data file", "set MAXSIZE of "+doc.logFileName())
	case in.fold(name) != in.fold(doc.logFileName()):
		return sqlerr.New(5041, name)
	case d.isSystem():
		return sqlerr.New(5058, "MODIFY FILE", doc.Name)
	case size == nil:
		return sqlerr.New(5038, name)
	}
	bytes, err := fileSize(size)
	if err != nil {
		return err
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	if db.Stats().LogSize > bytes {
		return sqlerr.New(5040)
	}
	if err := d.update(ctx, func(doc *databaseDoc) { doc.MaxLog = bytes }); err != nil {
		return err
	}
	db.SetMaxLog(bytes)
	return nil
}

// nameOf is a name given as a word or a string.
func nameOf(e ast.Expr) string {
	if k, ok := e.(*ast.Keyword); ok {
		return k.Word
	}
	name, _ := text(e)
	return name
}

// fileSize reads a file's size: a number with its unit (MB when there is none), or UNLIMITED, which is 2 TB for a log.
func fileSize(o *ast.Option) (int64, error) {
	if word(o.Value) == "UNLIMITED" {
		return maxLog, nil
	}
	unit := "MB"
	if len(o.Args) == 1 {
		unit = o.Args[0].Name
	}
	per, ok := map[string]int64{"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[unit]
	l, literal := o.Value.(*ast.Literal)
	if !ok || !literal {
		return 0, sqlerr.New(102, unit)
	}
	n, err := strconv.ParseInt(l.Text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/per {
		return 0, sqlerr.New(102, l.Text)
	}
	return min(n*per, maxLog), nil
}

// setRecoveryTime is SET TARGET_RECOVERY_TIME, in seconds; 0 is the instance's default.
func (in *Instance) setRecoveryTime(ctx context.Context, d *Database, o *ast.Option) error {
	l, ok := o.Value.(*ast.Literal)
	if !ok {
		return sqlerr.New(102, o.Name)
	}
	if d.isSystem() {
		return sqlerr.New(5058, o.Name, d.Name())
	}
	n, err := strconv.Atoi(l.Text)
	if err != nil || n < 0 || n > 3600 {
		return sqlerr.New(102, l.Text)
	}
	if err := d.update(ctx, func(doc *databaseDoc) { doc.RecoverySeconds = n }); err != nil {
		return err
	}
	if db, err := d.Storage(); err == nil {
		db.SetRecoveryTarget(in.recoveryTarget(d.snapshot()))
	}
	return nil
}
