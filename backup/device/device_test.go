package device_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"linkspan/backup/device"
	"linkspan/sqlerr"
)

func devices(t *testing.T) (*device.Devices, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "backup")
	d, err := device.New(device.Options{Folders: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	return d, folder
}

func disk(name string) device.Name { return device.Name{Kind: device.Disk, Text: name} }

func put(t *testing.T, d *device.Devices, name, text string) {
	t.Helper()
	w, err := d.Create(t.Context(), disk(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, d *device.Devices, name string) string {
	t.Helper()
	f, err := d.Open(t.Context(), disk(name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWritesReadsAndAppends(t *testing.T) {
	t.Parallel()
	d, folder := devices(t)
	put(t, d, "a.bak", "one")
	if got := get(t, d, filepath.Join(folder, "a.bak")); got != "one" {
		t.Errorf("read %q by its whole path", got)
	}
	w, err := d.Append(t.Context(), disk(`A.bak`), 3)
	if err == nil {
		w.Abandon() //nolint:errcheck // only where names ignore case
	}
	w, err = d.Append(t.Context(), disk("a.bak"), 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "two"); err != nil {
		t.Fatal(err)
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, "a.bak"); got != "one" {
		t.Errorf("an abandoned append left %q", got)
	}
}

func TestWhatIsNotFinishedIsNotThere(t *testing.T) {
	t.Parallel()
	d, _ := devices(t)
	put(t, d, "a.bak", "old")
	w, err := d.Create(t.Context(), disk("a.bak"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "new"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, "a.bak"); got != "old" {
		t.Errorf("while it is replaced the file reads %q", got)
	}
	if _, err := d.Create(t.Context(), disk("a.bak")); sqlerr.Number(err) != 3201 || !strings.Contains(err.Error(), "32(") {
		t.Errorf("a second writer got %v", err)
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, "a.bak"); got != "old" {
		t.Errorf("after giving up the file reads %q", got)
	}
	put(t, d, "a.bak", "newer")
	if got := get(t, d, "a.bak"); got != "newer" {
		t.Errorf("read %q", got)
	}
}

func TestRefusesWhatLeadsAway(t *testing.T) {
	t.Parallel()
	d, folder := devices(t)
	put(t, d, "a.bak", "x")
	outside := filepath.Join(filepath.Dir(folder), "secret")
	must(t, os.WriteFile(outside, []byte("x"), 0o600))
	must(t, os.Symlink(outside, filepath.Join(folder, "link.bak")))
	must(t, os.Symlink(filepath.Join(folder, "a.bak"), filepath.Join(folder, "inner.bak")))
	must(t, os.Symlink(filepath.Dir(folder), filepath.Join(folder, "up")))
	must(t, os.Mkdir(filepath.Join(folder, "sub"), 0o700))
	must(t, syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600))
	cases := map[string]string{
		"../secret": "outside", outside: "outside", `\\server\share\x.bak`: "Network", "//server/share/x.bak": "Network", `C:\x.bak`: "drive",
		"link.bak": "link", "inner.bak": "link", "up/secret": "link", "sub": "not a file", "pipe": "not a file", "a.bak/b": "not a file",
		"": "not the name", "x\x00y": "not the name", "/dev/zero": "outside", "sub/../../secret": "outside",
	}
	for name, why := range cases {
		if _, err := d.Open(t.Context(), disk(name)); sqlerr.Number(err) != 3201 || !strings.Contains(whole(err), why) {
			t.Errorf("open %q gave %v, want 3201 that says %q", name, whole(err), why)
		}
		if w, err := d.Create(t.Context(), disk(name)); sqlerr.Number(err) != 3201 {
			t.Errorf("create %q gave %v", name, err)
			if err == nil {
				w.Abandon() //nolint:errcheck // the test has failed
			}
		}
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "x" {
		t.Errorf("the file outside is %q, %v", b, err)
	}
	if _, err := d.Open(t.Context(), disk("no.bak")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "2(The system cannot find the file specified.)") {
		t.Errorf("a file that is not there gave %v", err)
	}
	if _, err := d.Create(t.Context(), disk("no/such/folder.bak")); sqlerr.Number(err) != 3201 {
		t.Errorf("a folder that is not there gave %v", err)
	}
}

func whole(err error) string {
	s := ""
	for ; err != nil; err = errors.Unwrap(err) {
		s += err.Error() + "; "
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNullKeepsNothing(t *testing.T) {
	t.Parallel()
	d, err := device.New(device.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, "NUL", "x")
	put(t, d, "nul", "x")
	if _, err := d.Open(t.Context(), disk("NUL")); sqlerr.Number(err) != 3201 {
		t.Errorf("reading it gave %v", err)
	}
	if _, err := d.Create(t.Context(), disk("a.bak")); sqlerr.Number(err) != 3201 {
		t.Errorf("without folders a file gave %v", err)
	}
}

func TestBlobsNeedACredential(t *testing.T) {
	t.Parallel()
	var asked string
	d, err := device.New(device.Options{Credential: func(c string) (string, bool) { asked = c; return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := func(s string) device.Name { return device.Name{Kind: device.URL, Text: s} }
	if _, err := d.Open(ctx, url("https://a.blob.core.windows.net/c/dir/x.bak")); sqlerr.Number(err) != 3201 || asked != "https://a.blob.core.windows.net/c" {
		t.Errorf("%v, asked for %q", err, asked)
	}
	for _, bad := range []string{"https://a.blob.core.windows.net/c/x.bak?sig=secret", "https://a.blob.core.windows.net/c", "file:///etc/passwd", "x"} {
		asked = ""
		if _, err := d.Create(ctx, url(bad)); sqlerr.Number(err) != 3201 || asked != "" || strings.Contains(whole(err), "secret") {
			t.Errorf("%s gave %v, asked for %q", bad, err, asked)
		}
	}
}
