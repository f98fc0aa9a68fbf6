package instance

import (
	"strconv"
	"strings"

	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// backupSpec is BACKUP to files or blobs, with its options read.
type backupSpec struct {
	verb     string // as messages name the statement
	database string
	kind     bak.Type
	devices  []device.Name

	copyOnly, checksum, norecovery bool
	compress                       *bool
	init, format                   bool
	name, description              string
	mediaName                      string
	// standby is the file after STANDBY =; "" when absent.
	standby string
	// stats is the step of the progress messages in percent.
	stats int
}

// ignoredOptions are accepted and change nothing here: tape handling, buffers, expiry dates (which no reader of files
// enforces), and what is always done.
var ignoredOptions = map[string]bool{
	"SKIP": true, "NOSKIP": true, "REWIND": true, "NOREWIND": true, "UNLOAD": true, "NOUNLOAD": true, "BLOCKSIZE": true, "BUFFERCOUNT": true,
	"MAXTRANSFERSIZE": true, "RETAINDAYS": true, "EXPIREDATE": true, "RESTART": true, "STOP_ON_ERROR": true, "MEDIADESCRIPTION": true,
	"NOINIT": true, "NOFORMAT": true, "NO_CHECKSUM": true, "MEDIAPASSWORD": false, "PASSWORD": false,
}

// readBackup reads the options of BACKUP. Errors: 155-like 3032, 3031, 3217.
func readBackup(s *ast.Backup) (*backupSpec, error) {
	b := &backupSpec{verb: "BACKUP DATABASE", database: s.Database.Name, kind: bak.Full, stats: 10}
	if s.Log {
		b.verb, b.kind = "BACKUP LOG", bak.Log
	}
	if len(s.Files) > 0 {
		return nil, unsupported("BACKUP of files and filegroups", "back up the whole database")
	}
	if len(s.Mirrors) > 0 {
		return nil, sqlerr.New(3218)
	}
	var err error
	if b.devices, err = deviceNames(s.To); err != nil {
		return nil, err
	}
	for _, o := range s.Options {
		if err := b.option(o); err != nil {
			return nil, err
		}
	}
	return b, b.check()
}

func (b *backupSpec) option(o ast.Option) error {
	yes, no := true, false
	switch o.Name {
	case "COPY_ONLY":
		b.copyOnly = true
	case "DIFFERENTIAL":
		if b.kind == bak.Log {
			return sqlerr.New(3032, "differential")
		}
		b.kind = bak.Differential
	case "CHECKSUM":
		b.checksum = true
	case "COMPRESSION":
		b.compress = &yes
	case "NO_COMPRESSION":
		b.compress = &no
	case "INIT":
		b.init = true
	case "FORMAT":
		b.format = true
	case "NAME":
		b.name, _ = text(o.Value)
	case "DESCRIPTION":
		b.description, _ = text(o.Value)
	case "MEDIANAME":
		b.mediaName, _ = text(o.Value)
	case "STATS":
		return readStats(o, &b.stats)
	case "NORECOVERY":
		b.norecovery = true
	case "STANDBY":
		b.standby, _ = text(o.Value)
		b.norecovery = true
	case "NO_TRUNCATE", "CONTINUE_AFTER_ERROR":
		return unsupported("BACKUP … WITH "+o.Name, "a damaged database is restored, or its log read with \"linkspan log dump\"")
	case "ENCRYPTION", "CREDENTIAL", "FILE_SNAPSHOT":
		return unsupported("BACKUP … WITH "+o.Name, "keep the files on an encrypted disk; for URL make a credential named as the container's URL")
	default:
		if !ignoredOptions[o.Name] {
			return sqlerr.New(3032, strings.ToLower(o.Name))
		}
	}
	return nil
}

// readStats reads STATS [= percent].
func readStats(o ast.Option, into *int) error {
	if o.Value == nil {
		return nil
	}
	t, _ := text(o.Value)
	n, err := strconv.Atoi(t)
	if err != nil || n < 1 || n > 100 {
		return sqlerr.New(3217, "STATS")
	}
	*into = n
	return nil
}

// check refuses options that do not go together.
func (b *backupSpec) check() error {
	switch {
	case b.copyOnly && b.kind == bak.Differential:
		return sqlerr.New(3031, "DIFFERENTIAL", "COPY_ONLY")
	case b.norecovery && b.kind != bak.Log:
		return sqlerr.New(3032, "norecovery")
	case b.norecovery && b.copyOnly:
		return sqlerr.New(3031, "NORECOVERY", "COPY_ONLY")
	}
	return nil
}

// deviceNames reads TO or FROM. Errors: 3044, 3206.
func deviceNames(list []ast.Device) ([]device.Name, error) {
	var names []device.Name
	for _, d := range list {
		t, ok := text(d.Value)
		switch {
		case !ok || t == "":
			return nil, sqlerr.New(3044)
		case d.Kind == "DISK":
			names = append(names, device.Name{Kind: device.Disk, Text: t})
		case d.Kind == "URL":
			names = append(names, device.Name{Kind: device.URL, Text: t})
		case d.Kind == "":
			return nil, sqlerr.New(3206, t)
		default:
			return nil, unsupported("the device type "+d.Kind, "use DISK or URL")
		}
	}
	return names, nil
}

// allNull reports whether every device is NUL.
func allNull(names []device.Name) bool {
	for _, n := range names {
		if !n.IsNull() {
			return false
		}
	}
	return true
}
