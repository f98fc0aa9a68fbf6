package history_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/internal/history"
)

func TestCheck(t *testing.T) {
	write := func(v, call, ret int64) history.Op {
		return history.Op{Kind: history.Write, Value: v, Call: call, Return: ret}
	}
	read := func(v, call, ret int64) history.Op {
		return history.Op{Client: 1, Kind: history.Read, Got: v, Call: call, Return: ret}
	}
	set := func(old, v int64, applied bool, call, ret int64) history.Op {
		return history.Op{Client: 2, Kind: history.CompareAndSet, Old: old, Value: v, Applied: applied, Call: call, Return: ret}
	}
	lost := func(o history.Op) history.Op { o.Lost = true; return o }
	for _, c := range []struct {
		name string
		ops  []history.Op
		want bool
	}{
		{"a write is read", []history.Op{write(1, 0, 10), read(1, 11, 12)}, true},
		{"an acknowledged write is lost", []history.Op{write(1, 0, 10), read(0, 11, 12)}, false},
		{"concurrent with its write", []history.Op{write(1, 0, 10), read(0, 5, 6), read(1, 7, 8)}, true},
		{"seen and gone", []history.Op{write(1, 0, 10), read(1, 5, 6), read(0, 7, 8)}, false},
		{"a lost write happened later", []history.Op{lost(write(1, 0, 1)), read(0, 2, 3), read(1, 4, 5)}, true},
		{"a lost write happened never", []history.Op{lost(write(1, 0, 1)), write(2, 2, 3), read(2, 4, 5)}, true},
		{"two sides take writers", []history.Op{write(1, 0, 1), write(2, 2, 3), read(1, 4, 5), read(2, 6, 7)}, false},
		{"compared and set", []history.Op{write(1, 0, 1), set(1, 2, true, 2, 3), set(1, 3, false, 4, 5), read(2, 6, 7)}, true},
		{"set twice from one value", []history.Op{write(1, 0, 1), set(1, 2, true, 2, 3), set(1, 3, true, 4, 5)}, false},
		{"refused though it was so", []history.Op{write(1, 0, 1), set(1, 2, false, 2, 3)}, false},
		{"a lost one explains another", []history.Op{write(1, 0, 1), lost(set(1, 2, false, 2, 3)), set(2, 3, true, 4, 5)}, true},
	} {
		v := history.Check(c.ops, time.Minute)
		if v.Linearizable != c.want || v.Unknown {
			t.Errorf("%s: linearizable %v, unknown %v", c.name, v.Linearizable, v.Unknown)
		}
		if c.want {
			continue
		}
		page := filepath.Join(t.TempDir(), "history.html")
		if err := v.Draw(page); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if st, err := os.Stat(page); err != nil || st.Size() == 0 {
			t.Errorf("%s: no page: %v", c.name, err)
		}
	}
}

func TestCheckReads(t *testing.T) {
	ops := []history.Op{{Kind: history.Write, Value: 7, Call: 10, Return: 20}, {Kind: history.Write, Value: 8, Call: 30, Return: 40},
		{Kind: history.CompareAndSet, Value: 9, Call: 1, Return: 2}}
	for _, c := range []struct {
		name, want string
		seen       []history.Seen
	}{
		{"in order", "", []history.Seen{{Value: 0, At: 1}, {Value: 7, Count: 1, At: 15}, {Value: 8, Count: 2, At: 35}, {Reader: 1, Value: 7, Count: 1, At: 50}}},
		{"back", "go back", []history.Seen{{Value: 8, Count: 2, At: 35}, {Value: 7, Count: 1, At: 36}}},
		{"diverged", "write 1 of register 0 is 7 for reader 0 and 8 for reader 1", []history.Seen{{Value: 7, Count: 1, At: 50}, {Reader: 1, Value: 8, Count: 1, At: 50}}},
		{"invented", "nobody had written", []history.Seen{{Value: 5, Count: 1, At: 50}}},
		{"too early", "nobody had written", []history.Seen{{Value: 8, Count: 1, At: 15}}},
		{"refused", "nobody had written", []history.Seen{{Value: 9, Count: 1, At: 50}}},
	} {
		errs := history.CheckReads(ops, c.seen)
		if c.want == "" && len(errs) > 0 || c.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want)) {
			t.Errorf("%s: %v", c.name, errs)
		}
	}
}
