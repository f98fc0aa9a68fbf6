package btree_test

import (
	"testing"

	"linkspan/storage/btree"
)

// Whatever a page holds, it is read without a crash, and what it names is bounded by its size.
func FuzzDecode(f *testing.F) {
	page := make([]byte, 8192)
	for _, kind := range []byte{2, 5, 10, 13} {
		page[0], page[4], page[13] = kind, 200, 40
		f.Add(uint32(7), page, 8192)
	}
	f.Fuzz(func(t *testing.T, no uint32, page []byte, usable int) {
		n, err := btree.Decode(no, page, usable)
		if len(n.Children) > len(page)/2+1 || len(n.Overflow) > len(page)/2 {
			t.Errorf("%d children and %d chains on a page of %d bytes (%v)", len(n.Children), len(n.Overflow), len(page), err)
		}
	})
}

// A database of garbage pages, which point anywhere and in circles, is searched to the end.
func FuzzFind(f *testing.F) {
	f.Add(make([]byte, 8*512))
	f.Fuzz(func(t *testing.T, image []byte) {
		const size = 512
		pages := uint32(min(len(image)/size, 64))
		reads := 0
		want := []uint32{0, 1, 2, pages, pages + 1}
		got, err := btree.Find(t.Context(), pages, func(no uint32) ([]byte, error) {
			if no == 0 || no > pages {
				t.Fatalf("page %d of %d is read", no, pages)
			}
			reads++
			return image[(no-1)*size : no*size], nil
		}, want)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > len(want) || reads > 64*1024 {
			t.Errorf("%d answers, %d pages read", len(got), reads)
		}
	})
}
