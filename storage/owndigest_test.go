package storage_test

import (
	"errors"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/pagelog"
	"linkspan/storage"
)

// TestCopyComputesItsOwnDigest sends a record that states another digest than the pages it makes, its checksum right as a
// primary with a defect would have it: the copy finds out from its own pages and shows nothing of it.
func TestCopyComputesItsOwnDigest(t *testing.T) {
	t.Parallel()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a)")
	replica := seed(t, source, options(fsx.NewMem()), 10, nil)
	before := replica.Published()
	exec(t, source, "INSERT INTO t VALUES (1)")
	r, err := source.LogReader(replica.Appended())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next(t.Context(), big())
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := pagelog.Parse(b.Records)
	if err != nil {
		t.Fatal(err)
	}
	h.Digest[5] ^= 1
	pagelog.Seal(b.Records[:h.Length], &h)
	_, err = replica.AppendLog(t.Context(), b.Records)
	if !errors.Is(err, storage.ErrDigest) {
		t.Errorf("a record whose digest is not that of the copy's pages is taken: %v", err)
		_ = replica.Publish(b.Last, h.Digest)
	}
	if at, d := replica.Digest(); at != before || d == h.Digest {
		t.Errorf("version %s with digest %s is shown, after %s", at, d, before)
	}
}
