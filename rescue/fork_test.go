package rescue_test

import (
	"testing"

	"linkspan/internal/fsx"
	"linkspan/rescue"
)

// The fork's version comes out of the database's own log.
func TestSaveFromTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fork(setup, "")
	lost := r.storage("lost")
	h := header
	h.Fork = lost.Hardened()
	r.script("lost", tail)
	h.Tail = lost.Hardened()
	disk := fsx.NewMem()
	path, s, err := rescue.Keeper{FS: disk, Dir: "/srv/rescue"}.Save(t.Context(), lost, h)
	if err != nil || s.Rows() != 20 {
		t.Fatalf("%+v %v", s, err)
	}
	r.script("base", r.sql(r.read(disk, path), rescue.Filter{}))
	if again, _ := r.save(); !again.Empty() {
		t.Errorf("after the script there is still %s", again)
	}
}
