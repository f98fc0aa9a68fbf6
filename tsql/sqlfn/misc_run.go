package sqlfn

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // HASHBYTES has MD5 and SHA-1
	"crypto/sha1" //nolint:gosec // see above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash/fnv"
	"strings"
	"unsafe"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

var miscTable = []scalar{
	{"ls_newid", 0, 0, true, newID},
	{"ls_newsequentialid", 0, 0, true, newSequentialID},
	{"ls_hashbytes", 2, 2, false, hashBytes},
	{"ls_checksum", -1, 0, false, checksum},
	{"ls_binary_checksum", -1, 0, false, checksum},
	{"ls_isnumeric", 1, 0, false, isNumeric},
	{"ls_greatest", -1, 0, false, extreme(1)},
	{"ls_least", -1, 0, false, extreme(-1)},
	{"ls_host", -1, 0, true, hostCall},
}

// resultRaw gives s, which may lie in SQLite's memory, as a text result. SQLite takes a copy before the call ends.
func resultRaw(ctx sqlite3.Context, s []byte) {
	ctx.ResultText(unsafe.String(unsafe.SliceData(s), len(s)))
}

// randomBytes fills b; without a source the statement fails.
func (e *Env) randomBytes(ctx sqlite3.Context, b []byte) bool {
	if e.st.Random == nil {
		e.fail(ctx, sqlerr.Raise(50000, sqlerr.SeverityUser, 1, "NEWID needs a source of random bytes, and this statement has none."))
		return false
	}
	e.st.Random(b)
	return true
}

func newID(e *Env, ctx sqlite3.Context, _ []sqlite3.Value) {
	var b [16]byte
	if !e.randomBytes(ctx, b[:]) {
		return
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562, version 4
	result(ctx, sqltype.GUIDOf(b), typeGUID)
}

// newSequentialID gives a uniqueidentifier greater than the ones before from this connection: the bytes that rank
// highest are the connection's own, then come the time and a counter.
func newSequentialID(e *Env, ctx sqlite3.Context, _ []sqlite3.Value) {
	if e.node == [6]byte{} && !e.randomBytes(ctx, e.node[:]) {
		return
	}
	e.serial++
	var stored [16]byte
	copy(stored[:6], e.node[:])
	binary.BigEndian.PutUint64(stored[6:], uint64(e.st.Now.UnixMicro()))
	binary.BigEndian.PutUint16(stored[14:], uint16(e.serial))
	ctx.ResultBlob(stored[:])
}

func hashBytes(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	b := arg[1].RawBlob()
	switch strings.ToUpper(arg[0].Text()) {
	case "MD5":
		h := md5.Sum(b) //nolint:gosec // asked for by name
		ctx.ResultBlob(h[:])
	case "SHA", "SHA1":
		h := sha1.Sum(b) //nolint:gosec // asked for by name
		ctx.ResultBlob(h[:])
	case "SHA2_256":
		h := sha256.Sum256(b)
		ctx.ResultBlob(h[:])
	case "SHA2_512":
		h := sha512.Sum512(b)
		ctx.ResultBlob(h[:])
	}
}

// checksum is ls_checksum(x, type, …). A single int is its own checksum; for everything else the number is ours, not SQL
// Server's: equal values have equal checksums.
func checksum(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	sum := int32(0)
	for i := 0; i+1 < len(arg); i += 2 {
		sum = sum<<4 | int32(uint32(sum)>>28)
		sum ^= checksumOf(arg[i], typeArg(arg[i+1]))
	}
	ctx.ResultInt64(int64(sum))
}

func checksumOf(v sqlite3.Value, t sqltype.Type) int32 {
	switch v.Type() {
	case sqlite3.NULL:
		return -1 << 31
	case sqlite3.INTEGER:
		n := v.Int64()
		if n == int64(int32(n)) {
			return int32(n)
		}
		return int32(n) ^ int32(n>>32)
	}
	h := fnv.New32a()
	if t.Kind.IsString() {
		c := sqltype.CollationOf(t)
		_, _ = h.Write([]byte(strings.Map(c.Fold, string(trimRight(v.RawText())))))
	} else {
		_, _ = h.Write(v.RawBlob())
	}
	return int32(h.Sum32())
}

// isNumeric reports whether a text converts to some number.
func isNumeric(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		ctx.ResultInt64(0)
		return
	}
	v := sqltype.StringOf(sqltype.VarChar, arg[0].Text())
	s := strings.TrimSpace(v.S)
	ok := false
	switch s {
	case "":
	case "+", "-", ".", ",", "$":
		ok = true
	default:
		for _, t := range []sqltype.Type{typeFloat, {Kind: sqltype.Money}} {
			if _, err := sqltype.Convert(v, typeVarChar, t, 0); err == nil || err.Number == 8115 && t.Kind == sqltype.Money {
				ok = true
			}
		}
	}
	ctx.ResultBool(ok)
}

// extreme is ls_greatest(x…, type) and ls_least: NULLs do not count.
func extreme(want int) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		t := typeArg(arg[len(arg)-1])
		c := sqltype.NewComparer(sqltype.CollationOf(t))
		best := -1
		for i, a := range arg[:len(arg)-1] {
			if a.Type() != sqlite3.NULL && (best < 0 || order(a, arg[best], c) == want) {
				best = i
			}
		}
		if best >= 0 {
			ctx.ResultValue(arg[best])
		}
	}
}

// order compares two values of one type as SQLite would.
func order(a, b sqlite3.Value, c *sqltype.Comparer) int {
	switch a.Type() {
	case sqlite3.INTEGER:
		return compare3(a.Int64(), b.Int64())
	case sqlite3.FLOAT:
		return compare3(a.Float(), b.Float())
	case sqlite3.TEXT:
		return c.Compare(a.RawText(), b.RawText())
	}
	return bytes.Compare(a.RawBlob(), b.RawBlob())
}

func compare3[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// hostCall is ls_host(name, result type, x, type, …).
func hostCall(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	name, t := arg[0].Text(), typeArg(arg[1])
	if e.st.Host == nil {
		e.fail(ctx, sqlerr.New(195, name, "built-in function name"))
		return
	}
	var list []sqltype.Value
	for i := 2; i+1 < len(arg); i += 2 {
		list = append(list, argument(arg[i], typeArg(arg[i+1])))
	}
	v, err := e.st.Host.Function(e.st.Ctx, e.st.Scope, name, list)
	if err != nil {
		e.fail(ctx, err)
		return
	}
	if v.Valid && v.K != t.Kind || v.K == sqltype.Decimal && v.Scale != t.Scale {
		from := sqltype.Of(v.K)
		from.Scale = v.Scale
		var conv *sqlerr.Error
		if v, conv = sqltype.Convert(v, from, t, 0); conv != nil {
			e.fail(ctx, conv)
			return
		}
	}
	result(ctx, v, t)
}
