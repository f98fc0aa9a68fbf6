package armtypes_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"linkspan/armtypes"
)

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, want string // want "" means refused
	}{
		{`{"a":1}`, `{"a":1}`},
		{"\xef\xbb\xbf{\"a\":1}", `{"a":1}`},
		{`{"a":1,}`, `{"a":1}`},
		{"{\"a\":[1,2,\n],\t}\n", `{"a":[1,2]}`},
		{`{"a":"x,}","b":"\",]",}`, `{"a":"x,}","b":"\",]"}`},
		{`{"a":{},}`, `{"a":{}}`},
		{`[true,null,]`, `[true,null]`},
		{`[,]`, ``}, {`{,}`, ``}, {`[1,,]`, ``}, {`[,1]`, ``}, {`{"a":,}`, ``}, {`[1],`, ``}, {`,`, ``}, {``, ``},
		{`{"a":1]`, ``}, {`{"a":1,]`, ``}, {`{"a",}`, ``}, {`{"a":1} {}`, ``}, {`{"a":1}x`, ``}, {`[tru,]`, ``}, {`[1.,]`, ``}, {`["a,]`, ``}, {`["\`, ``},
		{"[\"\xff\"]", ``}, {strings.Repeat("[", 1000) + strings.Repeat("]", 1000), ``},
	} {
		var v any
		err := armtypes.DecodeJSON([]byte(c.in), &v)
		if (err == nil) != (c.want != "") {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got, _ := json.Marshal(v); err == nil && string(got) != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

// Whatever the bytes: what is JSON already stays as it is, and what becomes JSON differs from what was sent only in
// commas that stood before a closing bracket.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,}`, `{"properties":{"PublicBlob":"0x00",}}`, `[1,,]`, `["a,]",]`, `{"\"":[{},],}`, "[1 ,\n]", `{"a":,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		clean, err := armtypes.WithoutTrailingCommas(data)
		if err != nil {
			return
		}
		body := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		if json.Valid(body) && !bytes.Equal(clean, body) {
			t.Fatalf("%q was JSON and became %q", data, clean)
		}
		if len(clean) != len(body) {
			t.Fatalf("%q changed its length", data)
		}
		var taken int
		for i := range clean {
			if clean[i] == body[i] {
				continue
			}
			taken++
			next := bytes.TrimLeft(body[i+1:], " \t\r\n")
			before := bytes.TrimRight(body[:i], " \t\r\n")
			if body[i] != ',' || clean[i] != ' ' || len(next) == 0 || (next[0] != '}' && next[0] != ']') || len(before) == 0 || strings.IndexByte(",[{:", before[len(before)-1]) >= 0 {
				t.Fatalf("%q: byte %d was changed", data, i)
			}
		}
		var v any
		if taken == 0 && armtypes.DecodeJSON(data, &v) == nil && !json.Valid(body) {
			t.Fatalf("%q is no JSON and was read", data)
		}
	})
}
