package main

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is who PostgreSQL's servers run as: they refuse to be root.
type account struct{ id *syscall.Credential } // nil: as who runs this

func newAccount() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, errors.Join(err1, err2)
}

// own gives a file to the account.
func (a account) own(name string) error {
	if a.id == nil {
		return nil
	}
	return os.Chown(name, int(a.id.Uid), int(a.id.Gid))
}

// use has the command run as the account, and end with this process.
func (a account) use(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.id, Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
