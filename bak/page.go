package bak

import "encoding/binary"

// PageHeader is the part of a database page's header that the media layer needs.
type PageHeader struct {
	Version, Type, Level byte
	FlagBits             uint16
	Page                 uint32
	File                 uint16
	Checksum             uint32
}

// Page types and flags.
const (
	pageVersion     = 1
	maxPageType     = 20
	pageFlagHasSum  = 0x200
	pageFlagHasTorn = 0x100
)

// ParsePageHeader reads the header of a page of PageSize bytes.
func ParsePageHeader(p []byte) PageHeader {
	le := binary.LittleEndian
	return PageHeader{Version: p[0], Type: p[1], Level: p[3], FlagBits: le.Uint16(p[4:]), Page: le.Uint32(p[32:]), File: le.Uint16(p[36:]),
		Checksum: le.Uint32(p[pageSumAt:])}
}

// CheckPage checks a page's checksum. checked is false for a page that carries none: space never allocated, whose
// bytes mean nothing, or a database with another page verification.
func CheckPage(p []byte) (ok, checked bool) {
	if p[0] != pageVersion || p[1] == 0 || p[1] > maxPageType || binary.LittleEndian.Uint16(p[4:])&pageFlagHasSum == 0 {
		return false, false
	}
	return PageSum(p) == binary.LittleEndian.Uint32(p[pageSumAt:]), true
}
