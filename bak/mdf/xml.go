package mdf

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"linkspan/sqltype"
)

// Tokens of SQL Server's binary XML ([MS-BINXML] 2.3).
const (
	binSmallInt  = 0x01
	binInt       = 0x02
	binReal      = 0x03
	binFloat     = 0x04
	binBit       = 0x06
	binTinyInt   = 0x07
	binBigInt    = 0x08
	binChar      = 0x0d
	binNChar     = 0x0e
	binVarChar   = 0x10
	binNVarChar  = 0x11
	binFlush     = 0xe9
	binQName     = 0xef
	binName      = 0xf0
	binEndCData  = 0xf1
	binCData     = 0xf2
	binComment   = 0xf3
	binPI        = 0xf4
	binEndAttrs  = 0xf5
	binAttribute = 0xf6
	binEndElem   = 0xf7
	binElement   = 0xf8
	binHeaderLen = 5 // DF FF, version, code page
	binMaxDepth  = 1024
)

var (
	errXML       = errors.New("binary xml is malformed")
	errXMLUnread = errors.New("binary xml holds a token that is not read")
)

// decodeXML gives an xml value as text. A value with tokens that are not read here (typed values of schema collections,
// mostly) is given as its bytes, with the kind of a binary value.
func decodeXML(b []byte) (sqltype.Value, error) {
	s, err := xmlText(b)
	if errors.Is(err, errXMLUnread) {
		return sqltype.BytesOf(sqltype.VarBinary, b), nil
	} else if err != nil {
		return sqltype.Value{}, err
	}
	return sqltype.StringOf(sqltype.XML, s), nil
}

// xmlReader turns binary XML into text.
type xmlReader struct {
	b      []byte
	names  []string
	qnames []string
	open   []string // elements whose end has not come
	// inTag is true between an element's name and the end of its attributes; inAttr inside an attribute's value.
	inTag, inAttr bool
	out           strings.Builder
}

func xmlText(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	if len(b) < binHeaderLen || b[0] != 0xdf || b[1] != 0xff || le.Uint16(b[3:]) != 1200 {
		return "", errXMLUnread
	}
	r := &xmlReader{b: b[binHeaderLen:]}
	for len(r.b) > 0 {
		t := r.b[0]
		r.b = r.b[1:]
		if err := r.token(t); err != nil {
			return "", err
		}
	}
	if len(r.open) > 0 {
		return "", fmt.Errorf("%w: %d elements have no end", errXML, len(r.open))
	}
	return r.out.String(), nil
}

func (r *xmlReader) token(t byte) error {
	switch t {
	case binName:
		s, err := r.text()
		r.names = append(r.names, s)
		return err
	case binQName:
		return r.qname()
	case binFlush:
		r.names, r.qnames = nil, nil
		return nil
	case binElement, binAttribute:
		return r.begin(t)
	case binEndAttrs:
		r.endAttribute()
		return nil
	case binEndElem:
		return r.end()
	case binComment, binCData, binPI:
		return r.markup(t)
	case binEndCData:
		return nil
	default:
		s, err := r.value(t)
		if err != nil {
			return err
		}
		if !r.inAttr {
			r.closeTag()
		}
		r.escape(s)
		return nil
	}
}

// qname adds a qualified name: namespace, prefix and local name as numbers of names.
func (r *xmlReader) qname() error {
	var part [3]string
	for i := range part {
		n, err := r.number()
		if err != nil || n > len(r.names) {
			return errXML
		}
		if n > 0 {
			part[i] = r.names[n-1]
		}
	}
	name := part[2]
	if part[1] != "" {
		name = part[1] + ":" + name
	}
	r.qnames = append(r.qnames, name)
	return nil
}

// begin begins an element or an attribute.
func (r *xmlReader) begin(t byte) error {
	n, err := r.number()
	if err != nil || n < 1 || n > len(r.qnames) || len(r.open) > binMaxDepth {
		return errXML
	}
	name := r.qnames[n-1]
	if t == binElement {
		r.closeTag()
		r.out.WriteString("<" + name)
		r.open, r.inTag = append(r.open, name), true
		return nil
	}
	if !r.inTag {
		return errXML
	}
	r.endAttribute()
	r.out.WriteString(" " + name + `="`)
	r.inAttr = true
	return nil
}

func (r *xmlReader) endAttribute() {
	if r.inAttr {
		r.out.WriteByte('"')
		r.inAttr = false
	}
}

// closeTag ends the start tag that is open, before content.
func (r *xmlReader) closeTag() {
	r.endAttribute()
	if r.inTag {
		r.out.WriteByte('>')
		r.inTag = false
	}
}

func (r *xmlReader) end() error {
	if len(r.open) == 0 {
		return errXML
	}
	name := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	r.endAttribute()
	if r.inTag {
		r.out.WriteString("/>")
		r.inTag = false
		return nil
	}
	r.out.WriteString("</" + name + ">")
	return nil
}

// markup writes a comment, a CDATA section or a processing instruction.
func (r *xmlReader) markup(t byte) error {
	target := ""
	if t == binPI {
		n, err := r.number()
		if err != nil || n < 1 || n > len(r.names) {
			return errXML
		}
		target = r.names[n-1]
	}
	s, err := r.text()
	if err != nil {
		return err
	}
	r.closeTag()
	switch t {
	case binComment:
		r.out.WriteString("<!--" + s + "-->")
	case binCData:
		r.out.WriteString("<![CDATA[" + s + "]]>")
	default:
		r.out.WriteString("<?" + target + " " + s + "?>")
	}
	return nil
}

// number reads a number of seven bits a byte, the lowest first.
func (r *xmlReader) number() (int, error) {
	n := 0
	for i := 0; i < 5 && i < len(r.b); i++ {
		n |= int(r.b[i]&0x7f) << (7 * i)
		if r.b[i] < 0x80 {
			r.b = r.b[i+1:]
			return n, nil
		}
	}
	return 0, errXML
}

// text reads a length in characters and that many of UTF-16.
func (r *xmlReader) text() (string, error) {
	n, err := r.number()
	if err != nil || n > len(r.b)/2 {
		return "", errXML
	}
	s := utf16String(r.b[:2*n])
	r.b = r.b[2*n:]
	return s, nil
}

// value reads an atomic value of type t.
func (r *xmlReader) value(t byte) (string, error) {
	switch t {
	case binNVarChar, binNChar:
		return r.text()
	case binVarChar, binChar:
		n, err := r.number()
		if err != nil || n < 4 || n > len(r.b) {
			return "", errXML
		}
		s := codePage(le.Uint32(r.b)).text(r.b[4:n])
		r.b = r.b[n:]
		return s, nil
	}
	size := map[byte]int{binSmallInt: 2, binInt: 4, binReal: 4, binFloat: 8, binBit: 1, binTinyInt: 1, binBigInt: 8}[t]
	if size == 0 {
		return "", fmt.Errorf("%w: 0x%02x", errXMLUnread, t)
	}
	if size > len(r.b) {
		return "", errXML
	}
	b := r.b[:size]
	r.b = r.b[size:]
	switch t {
	case binReal:
		return strconv.FormatFloat(float64(math.Float32frombits(le.Uint32(b))), 'g', -1, 32), nil
	case binFloat:
		return strconv.FormatFloat(math.Float64frombits(le.Uint64(b)), 'g', -1, 64), nil
	case binTinyInt, binBit:
		return strconv.Itoa(int(b[0])), nil
	case binSmallInt:
		return strconv.Itoa(int(int16(le.Uint16(b)))), nil
	case binInt:
		return strconv.Itoa(int(int32(le.Uint32(b)))), nil
	default:
		return strconv.FormatInt(int64(le.Uint64(b)), 10), nil
	}
}

// escape writes character data.
func (r *xmlReader) escape(s string) {
	for _, c := range s {
		switch {
		case c == '&':
			r.out.WriteString("&amp;")
		case c == '<':
			r.out.WriteString("&lt;")
		case c == '>':
			r.out.WriteString("&gt;")
		case c == '"' && r.inAttr:
			r.out.WriteString("&quot;")
		case c == '\r', r.inAttr && (c == '\n' || c == '\t'):
			fmt.Fprintf(&r.out, "&#x%X;", c)
		default:
			r.out.WriteRune(c)
		}
	}
}
