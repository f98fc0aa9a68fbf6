package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/cloudsoda/go-smb2"

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

// logons are NTSTATUS values that refuse a login, and what is the matter ([MS-ERREF] 2.3.1).
var logons = map[uint32]string{
	0xC0000064: "there is no such user", 0xC000006A: "the password is wrong", 0xC000006D: "unknown user or wrong password (1326)",
	0xC000006E: "the account is restricted: a blank password or a policy (1327)", 0xC000006F: "not at this hour (1328)",
	0xC0000070: "not from this machine (1329)", 0xC0000071: "the password has expired (1330)", 0xC0000072: "the account is disabled (1331)",
	0xC000005E: "no domain controller can be reached (1311)", 0xC00000DF: "there is no such domain", 0xC000015B: "the user may not log in over the network (1385)",
	0xC000018A: "the server has no trust with the domain", 0xC000018B: "the domain does not trust the server", 0xC000018C: "the trust between the domains is broken",
	0xC000018D: "the trust with the domain is broken (1789)", 0xC0000193: "the account has expired (1793)", 0xC0000224: "the password must be changed first (1907)",
	0xC0000234: "the account is locked out after wrong passwords (1909)", 0xC0000022: "access is denied: a policy, or NTLM is turned off (5)",
	0xC0000413: "an authentication firewall of the domain refuses the user", 0xC0000192: "the server's logon service does not run",
}

// accountFixes are the next steps where name and password may well be right.
var accountFixes = map[uint32]string{
	0xC0000234: "have an administrator unlock the account, and correct the password here first: every wrong one counts",
	0xC0000072: "have an administrator enable the account", 0xC0000193: "have an administrator prolong the account",
	0xC0000071: "set another password for the account, and give it here", 0xC0000224: "log in as the user once and change the password, and give the new one here",
	0xC000015B: "give the user the right 'Access this computer from the network' on the file server",
	0xC000006F: "have an administrator widen the account's logon hours", 0xC0000070: "have an administrator let the account log in from this machine",
	0xC000005E: "check that the file server reaches a domain controller", 0xC0000413: "allow the user to authenticate to the file server in the trusting domain",
}

// statuses are those of requests after the login.
var statuses = map[uint32]Kind{
	0xC00000CC: NoShare, 0xC0000257: Elsewhere, 0xC000026D: Elsewhere, 0xC0000043: Busy, 0xC0000054: Busy, 0xC0000056: NoFile, 0xC000000F: NoFile, 0xC0000033: BadName, 0xC000003B: BadName,
	0xC0000039: BadName, 0xC0000103: NoFolder, 0xC00000BA: NoFile, 0xC00000CA: Denied, 0xC0000061: Denied,
	0xC00000C9: Lost, 0xC0000203: Lost, 0xC000035C: Lost, 0xC0000128: Lost, 0xC0000466: Lost, 0xC000020C: Lost, 0xC000020D: Lost,
}

// status is the NTSTATUS in err, 0 when there is none.
func status(err error) uint32 {
	var r *smb2.ResponseError
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}

// unreached is the kind of a connection that did not come about.
func unreached(err error) Kind {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return NoPath
	case os.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return NoAnswer
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF),
		errors.Is(err, syscall.Errno(wsaRefused)), errors.Is(err, syscall.Errno(wsaReset)):
		return Refused
	default:
		return NoPath
	}
}

// Windows' own numbers, which package syscall has no portable names for.
const wsaReset, wsaRefused = 10054, 10061

// refusedLogin is the kind of a failed negotiation or login.
func refusedLogin(err error) Kind {
	var answer *smb2.InvalidResponseError
	switch {
	case errors.Is(err, fs.ErrPermission), logons[status(err)] != "":
		return Logon
	case errors.Is(err, context.DeadlineExceeded):
		return NoAnswer
	case broken(err):
		return Refused
	case errors.As(err, &answer), status(err) != 0:
		return NotSMB
	default:
		return Refused
	}
}

// after is the kind of a request's failure after the login; folder: it was about one.
func after(err error, folder bool) Kind {
	var answer *smb2.InvalidResponseError
	switch k := statuses[status(err)]; {
	case k == NoFile && folder:
		return NoFolder
	case k != 0:
		return k
	case errors.Is(err, fs.ErrNotExist) && folder:
		return NoFolder
	case errors.Is(err, fs.ErrNotExist):
		return NoFile
	case errors.Is(err, fs.ErrPermission):
		return Denied
	case broken(err), errors.As(err, &answer), errors.Is(err, context.DeadlineExceeded):
		return Lost
	default:
		return Other
	}
}

// broken reports whether the connection is of no more use.
func broken(err error) bool {
	var t *smb2.TransportError
	return errors.As(err, &t) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, smb2.ErrRequestNotAccepted)
}

// refusal is a login's in our words.
type refusal struct {
	what string
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("%s, status %#x", r.what, status(r.err)) }
func (r *refusal) Unwrap() error { return r.err }

// plain is an error without what the library puts around it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if s := logons[status(err)]; s != "" {
		return &refusal{s, err}
	}
	if code := status(err); code != 0 {
		return fmt.Errorf("%w, status %#x", err, code)
	}
	return err
}
