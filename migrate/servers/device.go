package servers

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"linkspan/migrate/flow"
	"linkspan/sqlerr"
)

// The errors of the operating system that messages 3201, 3202 and 3271 name.
const (
	osNotFound     = 2
	osNoPath       = 3
	osDenied       = 5
	osBadNetPath   = 53
	osNetName      = 67
	osNoCredential = 1326
	osDiskFull     = 112
)

// osErrorText finds "error 5(Access is denied.)", in English and in other languages, and "112(There is not enough space".
var osErrorText = regexp.MustCompile(`(?i)(?:operating system error|system error)\s+(\d+)|\b(\d+)\([A-Za-z]`)

// osError is the number of the operating system's error in the messages of a failed backup, 0 when none is named.
func osError(err error) int {
	for _, n := range []int32{3201, 3202, 3203, 3271} {
		e := numbered(err, n)
		if e == nil {
			continue
		}
		found := osErrorText.FindAllStringSubmatch(e.Message, -1)
		if len(found) == 0 {
			continue
		}
		last := found[len(found)-1] // the device's name comes before, and may look like one
		code, _ := strconv.Atoi(last[1] + last[2])
		return code
	}
	return 0
}

// numbered finds the error of a number in a batch's errors.
func numbered(err error, number int32) *sqlerr.Error {
	if e := new(sqlerr.Error); errors.As(err, &e) && e.Number == number {
		return e
	}
	switch x := any(err).(type) {
	case interface{ Unwrap() error }:
		return numbered(x.Unwrap(), number)
	case interface{ Unwrap() []error }:
		for _, one := range x.Unwrap() {
			if e := numbered(one, number); e != nil {
				return e
			}
		}
	}
	return nil
}

// unwritable says why the server could not reach or write a file.
func (s *Server) unwritable(ctx context.Context, file string, err error) error {
	h := &flow.Hindrance{At: s.o.At, Err: err}
	account := s.account(ctx)
	switch osError(err) {
	case osDenied:
		h.What = fmt.Sprintf("the SQL Server %s may not write %s", s.Name(), file)
		h.Fix = "give " + account + " the right to write there, on the share and on the folder"
	case osNotFound, osNoPath, osBadNetPath, osNetName:
		h.What = fmt.Sprintf("the SQL Server %s does not find the folder of %s", s.Name(), file)
		h.Fix = "correct share.sourcePath: it is the share as the source's own machine names it; where share and source are one machine, Windows' loopback check " +
			"keeps it from its own full name: use the address, or a local path"
	case osNoCredential:
		h.What = fmt.Sprintf("the SQL Server %s is not known to the server of %s", s.Name(), file)
		h.Fix = "run SQL Server under an account of the domain, and give it the right to write there; now it runs as " + account
	case osDiskFull:
		h.What, h.Fix = fmt.Sprintf("there is no room for %s", file), "make room there, or let share.sourcePath name another place"
	default:
		h.What, h.Fix = fmt.Sprintf("the SQL Server %s cannot write %s", s.Name(), file), "see that "+account+" can write there"
	}
	return h
}

// account names the account that the server runs under.
func (s *Server) account(ctx context.Context) string {
	found, err := s.optional(ctx, "SELECT service_account FROM sys.dm_server_services WHERE servicename LIKE 'SQL Server (%'")
	if err != nil || len(found) == 0 || found[0].text("service_account") == "" {
		return "the account that the SQL Server service runs under"
	}
	return "the account that the SQL Server service runs under, " + found[0].text("service_account") + ","
}
