package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/cloudsoda/go-smb2"
)

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
