package smb

import (
	"fmt"
	"io/fs"
	"net"
	"strings"

	"linkspan/media"
)

// Kind tells the ways apart in which a share cannot be used: each asks for something else.
type Kind uint8

// The kinds.
const (
	// NoPath: the server's name means nothing, or there is no way to it (system error 53).
	NoPath Kind = iota + 1
	// NoAnswer: nothing answers: what a firewall does that drops port 445 (system error 53 as well).
	NoAnswer
	// Refused: the server, or something before it, refuses the connection or breaks it off before the login (57).
	Refused
	// NotSMB: what answers does not speak SMB 2 or 3.
	NotSMB
	// NoSigning: the server would let us in without signing what it says, as it does with guests.
	NoSigning
	// Logon: the server does not take user and password.
	Logon
	// Denied: the user is known and may not use the share, folder or file (system error 5).
	Denied
	// NoShare: the server has no share of the name (system error 67).
	NoShare
	// NoFolder: the share has no such folder (system error 3).
	NoFolder
	// NoFile: there is no such file, or no more (system error 2).
	NoFile
	// BadName: SMB knows no such names (system error 123).
	BadName
	// Busy: a writer holds the file and shares it with nobody (system error 32).
	Busy
	// Elsewhere: the share or folder is a link of a DFS namespace, which is not followed.
	Elsewhere
	// Lost: the connection broke, or the server did not answer in time. Connect again.
	Lost
	// Other is what fits none of these.
	Other
)

// Error is why a share, or something on it, cannot be used. It holds no password. It wraps fs.ErrNotExist,
// fs.ErrPermission and media.ErrBusy where that is the cause.
type Error struct {
	Kind Kind
	// Where is what it is about: server, \\server\share, or a path on it. Host is the server's name or address.
	Where, Host string
	// User is who asked.
	User string
	// Err is what was met.
	Err error
}

// Error says cause, evidence and next step.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v — %s", e.Cause(), e.Err, e.Fix())
}

// Unwrap gives what was met, and the class of it.
func (e *Error) Unwrap() []error {
	switch e.Kind {
	case NoFolder, NoFile:
		return []error{e.Err, fs.ErrNotExist}
	case Denied:
		return []error{e.Err, fs.ErrPermission}
	case Busy:
		return []error{e.Err, media.ErrBusy}
	default:
		return []error{e.Err}
	}
}

// Cause says what is wrong, in the words of Windows where it has some.
func (e *Error) Cause() string {
	switch e.Kind {
	case NoPath:
		return fmt.Sprintf("the file server %s is not found (system error 53: the network path was not found)", e.Where)
	case NoAnswer:
		return fmt.Sprintf("the file server %s does not answer (system error 53: the network path was not found)", e.Where)
	case Refused:
		return fmt.Sprintf("the file server %s refuses the connection (system error 57 or 53)", e.Where)
	case NotSMB:
		return fmt.Sprintf("what answers at %s does not speak SMB 2 or 3", e.Where)
	case NoSigning:
		return fmt.Sprintf("the file server %s does not sign what it says to %s", e.Where, e.who())
	case Logon:
		return fmt.Sprintf("the file server %s does not let %s log in", e.Where, e.who())
	case Denied:
		return fmt.Sprintf("%s may not use %s (system error 5: access is denied)", e.who(), e.Where)
	case NoShare:
		return fmt.Sprintf("there is no share %s (system error 67: the network name cannot be found)", e.Where)
	case NoFolder:
		return fmt.Sprintf("there is no folder %s (system error 3)", e.Where)
	case NoFile:
		return fmt.Sprintf("there is no file %s (system error 2)", e.Where)
	case BadName:
		return fmt.Sprintf("%s is not a name that a share can have (system error 123)", e.Where)
	case Busy:
		return fmt.Sprintf("%s is in use (system error 32: a sharing violation)", e.Where)
	case Elsewhere:
		return fmt.Sprintf("%s is a link of a DFS namespace to another server", e.Where)
	case Lost:
		return fmt.Sprintf("the connection to %s broke", e.Where)
	default:
		return fmt.Sprintf("%s cannot be used", e.Where)
	}
}

func (e *Error) who() string {
	if e.User == "" {
		return "a user without a name"
	}
	return e.User
}

// Fix is the next step.
func (e *Error) Fix() string {
	switch e.Kind {
	case NoPath:
		return "check the server's name (a full name such as server.domain.com, or an IP address) and DNS from this machine" + e.azure()
	case NoAnswer:
		return "check that the server is up and that every firewall between lets TCP port 445 through (many internet providers block it)" + e.azure()
	case Refused:
		return "check that file sharing runs on the server and that its firewall lets this machine in on TCP port 445" + e.azure()
	case NotSMB:
		return "check address and port; a server that offers SMB 1 alone has to be given SMB 2 or 3"
	case NoSigning:
		return "give the name and password of a user that the server knows (guests cannot sign), and turn on SMB signing there"
	case Logon:
		return e.logonFix()
	case Denied:
		return "give the user the right to read on both: the share's permissions and the folder's" + e.azureRights()
	case NoShare:
		return `check the share's name: \\server\share, as 'net view \\server' shows it`
	case NoFolder:
		return "check the folder's name, or make it"
	case NoFile:
		return "put it back if it is needed: it was deleted, renamed or replaced"
	case BadName:
		return `leave < > : " | ? * and names of devices out of it`
	case Busy:
		return "wait until the program that writes it has closed it"
	case Elsewhere:
		return "give the path on the file server that it leads to, as the DFS tab of the folder's properties shows it"
	case Lost:
		return "connect again; if that goes on, look at the network and the server"
	default:
		return "look at the server's log"
	}
}

// onAzure reports whether the server is a storage account.
func (e *Error) onAzure() bool { return strings.Contains(strings.ToLower(e.Host), ".file.core.") }

// azure is the advice for storage accounts that are not reached.
func (e *Error) azure() string {
	if !e.onAzure() {
		return ""
	}
	return "; it is an Azure file share: open the storage account's firewall to the virtual network (or address) that this machine is in"
}

func (e *Error) azureRights() string {
	if !e.onAzure() {
		return ""
	}
	return "; on an Azure file share, check that the storage account's firewall lets this machine in and that the account allows access by key"
}

func (e *Error) logonFix() string {
	if e.onAzure() {
		account, _, _ := strings.Cut(e.Host, ".")
		return fmt.Sprintf(`on an Azure file share the user is AZURE\%s and the password one of the storage account's keys`, account)
	}
	if fix := accountFixes[status(e.Err)]; fix != "" {
		return fix
	}
	fix := `check name and password; write DOMAIN\name or name@domain for a domain's user, SERVER\name for one of the server's own`
	if net.ParseIP(e.Host) == nil {
		fix += "; when this is the file server itself, Windows' loopback check refuses logins under its full name: use its IP address or disable the check"
	}
	return fix
}
