package share

import (
	"strconv"
	"strings"

	"linkspan/media"
)

// versionOf is a file's version: when it was changed last, in nanoseconds since 1970, in hexadecimal, and its size.
func versionOf(e media.Entry) string {
	return strconv.FormatUint(uint64(e.Modified.UnixNano()), 16) + "-" + strconv.FormatInt(e.Size, 10)
}

// provisional ends the version of a file of which more may be found out without that it changes: that it may be read now,
// or that it goes on after all (Windows shows size and time of a file that is being written late). Found out, it is another
// version.
const provisional = "-p"

func real(version string) string { return strings.TrimSuffix(version, provisional) }
