package smb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/media"
	"linkspan/media/mediatest"
	"linkspan/media/smb"
)

// fill puts the suite's files on the share, in a folder.
func fill(t *testing.T, s *mediatest.Samba, folder string) {
	t.Helper()
	for n, b := range mediatest.Contents() {
		p := filepath.Join(s.Folder, folder, filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func options(s *mediatest.Samba) smb.Options {
	return smb.Options{Address: s.Address, Share: s.Share, User: s.User, Password: s.Password}
}

func open(t *testing.T, o smb.Options) *smb.Source {
	t.Helper()
	src, err := smb.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(src.Close(), src.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return src
}

func TestShare(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]mediatest.SambaOptions{
		"a server that can encrypt":     {},
		"a server that must":            {Global: "server smb encrypt = required"},
		"a server that does not":        {Global: "server smb encrypt = off"},
		"the oldest that can":           {Global: "server max protocol = SMB3_00"},
		"one too old for it":            {Global: "server max protocol = SMB2_10"},
		"one that wants what is signed": {Global: "server signing = mandatory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mediatest.StartSamba(t, server)
			fill(t, s, "nightly")
			for _, user := range []string{s.User, s.Domain + `\` + s.User} {
				o := options(s)
				o.Folder, o.User = "/nightly/", user
				src := open(t, o)
				mediatest.Exercise(t, src)
				if want := !strings.Contains(server.Global, "off") && !strings.Contains(server.Global, "SMB2_10"); src.Encrypted() != want {
					t.Errorf("encrypted: %v", src.Encrypted())
				}
			}
		})
	}
}

func TestFlat(t *testing.T) {
	t.Parallel()
	s := mediatest.StartSamba(t, mediatest.SambaOptions{})
	fill(t, s, "nightly")
	var src media.Flat = open(t, options(s))
	files, err := src.Files(t.Context(), "nightly")
	if err != nil || len(files) != 3 || files[0].Name != "nightly/Zürich ø.bak" || files[1].Name != "nightly/a.bak" {
		t.Fatalf("files %v: %v", files, err)
	}
	e, err := src.Stat(t.Context(), "nightly/a.bak")
	if err != nil || e != files[1] {
		t.Errorf("one file is %v, in the list %v: %v", e, files[1], err)
	}
	f, err := src.Open(t.Context(), "nightly/a.bak")
	if err != nil {
		t.Fatal(err)
	}
	if m := f.(media.Stamped).Modified(); !m.Equal(e.Modified) {
		t.Errorf("open it is of %v, listed of %v", m, e.Modified)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a closed file is read")
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	_, err := smb.Open(context.Background(), smb.Options{Share: "a/b", CallTimeout: -1})
	for _, want := range []string{"address is missing", "not the name of a share", "user is missing", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
