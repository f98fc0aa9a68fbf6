package sqltype

import "unsafe"

// The two views below let comparisons take either form without a copy; what they return is only read, and not kept.

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
