package instance

import (
	"fmt"
	"strings"

	"linkspan/sqltype"
)

// productVersion is SERVERPROPERTY('ProductVersion').
func (in *Instance) productVersion() string {
	i := in.ServerInfo()
	if in.opts.Kind == ManagedInstance {
		return fmt.Sprintf("%d.%d.%d.8", i.Major, i.Minor, i.Build)
	}
	return fmt.Sprintf("%d.%d.%d.1", i.Major, i.Minor, i.Build)
}

// versionText is @@VERSION. It begins as SQL Server's does, because clients read that, and says what it is.
func (in *Instance) versionText() string {
	if in.opts.Kind == ManagedInstance {
		return "Microsoft SQL Azure (RTM) - " + in.productVersion() + " compatible: Linkspan embedded managed instance, not Microsoft SQL Server"
	}
	return "Microsoft SQL Server 2022 (RTM-CU16) - " + in.productVersion() + " (X64) compatible: Linkspan embedded instance, not Microsoft SQL Server"
}

// serverProperty is SERVERPROPERTY.
func (in *Instance) serverProperty(name string) sqltype.Value {
	managed := in.opts.Kind == ManagedInstance
	choose := func(m, s string) sqltype.Value {
		if managed {
			return vText(m)
		}
		return vText(s)
	}
	switch strings.ToLower(name) {
	case "servername":
		return vText(in.opts.serverName())
	case "machinename", "computernamephysicalnetbios":
		return vText(in.opts.Name)
	case "productversion":
		return vText(in.productVersion())
	case "productmajorversion":
		return vText(fmt.Sprint(in.ServerInfo().Major))
	case "productminorversion":
		return vText(fmt.Sprint(in.ServerInfo().Minor))
	case "productbuild":
		return vText(fmt.Sprint(in.ServerInfo().Build))
	case "productlevel":
		return vText("RTM")
	case "productupdatelevel":
		return choose("", "CU16")
	case "edition":
		return choose("SQL Azure", "Developer Edition (64-bit)")
	case "engineedition":
		return choose("8", "3")
	case "collation":
		return vText(in.opts.Collation)
	case "ishadrenabled", "hadrmanagerstatus":
		return vText("1")
	case "isclustered", "isintegratedsecurityonly", "isfulltextinstalled", "isxtpsupported", "issingleuser", "filestreamconfiguredlevel":
		return vText("0")
	case "processid":
		return null
	case "instancedefaultdatapath", "instancedefaultlogpath", "instancedefaultbackuppath":
		return vText(in.opts.Dir + "/")
	case "pathseparator":
		return vText("/")
	case "lcid":
		return vText("1033")
	case "sqlcharsetname":
		return vText("iso_1")
	default: // also InstanceName: the default instance's is NULL
		return null
	}
}

// databaseProperty is DATABASEPROPERTYEX.
func (in *Instance) databaseProperty(database, name string) sqltype.Value {
	d, err := in.Find(database)
	if err != nil {
		return null
	}
	doc := d.snapshot()
	switch strings.ToLower(name) {
	case "status":
		return vText(d.State().String())
	case "recovery":
		return vText(recoveryNames[doc.Recovery])
	case "updateability":
		if d.readOnly() {
			return vText("READ_ONLY")
		}
		return vText("READ_WRITE")
	case "useraccess":
		_, access := doc.userAccess()
		return vText(access)
	case "collation":
		return vText(doc.Collation)
	case "version":
		return vText("957")
	case "isautoclose", "isautoshrink", "isinstandby", "isfulltextenabled", "ispublished":
		return vText("0")
	case "edition":
		return null
	default:
		return null
	}
}
