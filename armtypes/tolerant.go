package armtypes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxNesting bounds how deep a body may nest; the API's own bodies nest five deep.
const maxNesting = 64

var errNesting = errors.New("the JSON nests too deep")

// DecodeJSON reads one JSON document into v (a pointer), as clients of the API are known to send it: property names in
// any case, one trailing comma before a closing brace or bracket (the link's published script sends one), a byte-order
// mark in front. Anything else that is no JSON is refused, as is a second document after the first. Unknown properties
// are ignored, as the service ignores them.
func DecodeJSON(data []byte, v any) error {
	clean, err := WithoutTrailingCommas(data)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(clean))
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read JSON: there is something after the document")
	}
	return nil
}

// WithoutTrailingCommas returns data with each comma that stands between a value and a closing brace or bracket
// replaced by a blank, so that offsets stay. Commas in strings are left alone, and a comma that follows no value
// ("[,]", "{,}", "[1,,]") is left for the JSON reader to refuse: nothing that is wrong otherwise becomes right.
func WithoutTrailingCommas(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, errors.New("read JSON: the text is not UTF-8")
	}
	out := bytes.Clone(data)
	depth := 0
	comma := -1     // offset of a comma that may be trailing
	last := byte(0) // the last byte of substance before that comma
	for i := 0; i < len(out); i++ {
		c := out[i]
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			i = stringEnd(out, i)
		case '{', '[':
			if depth++; depth > maxNesting {
				return nil, errNesting
			}
		case '}', ']':
			depth--
			if comma >= 0 {
				out[comma] = ' '
			}
		case ',':
			comma = -1
			if endsValue(last) {
				comma = i
			}
			last = c
			continue
		}
		comma, last = -1, c
	}
	return out, nil
}

// stringEnd is the offset of the quote that closes the string that opens at i, or of the last byte when none does.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(b) - 1
}

// endsValue reports whether a JSON value may end with c.
func endsValue(c byte) bool {
	switch c {
	case '"', '}', ']':
		return true
	}
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
