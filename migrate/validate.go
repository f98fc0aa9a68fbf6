package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"linkspan/armtypes"
)

// Problem is one thing that is wrong with a spec.
type Problem struct {
	// At is its place: databases[2].name, or a line of the file.
	At, Text string
}

func (p *Problem) Error() string { return p.At + ": " + p.Text }

// Problems are all that is wrong.
type Problems []*Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, x := range p {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Parse reads a spec, fills the defaults in, and reports every problem at once, as Problems. Unknown keys are problems: a
// misspelt one would be a setting that silently is not set.
func Parse(data []byte) (Spec, error) {
	var s Spec
	var all Problems
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var types *yaml.TypeError
	switch err := dec.Decode(&s); {
	case errors.As(err, &types):
		for _, e := range types.Errors {
			at, text, ok := strings.Cut(e, ": ")
			if !ok {
				at, text = "spec", e
			}
			all = append(all, &Problem{at, strings.ReplaceAll(text, "migrate.", "")})
		}
	case errors.Is(err, io.EOF):
		return s, Problems{{"spec", "it is empty"}}
	case err != nil:
		return s, Problems{{"spec", err.Error()}}
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		all = append(all, &Problem{"spec", "it holds more than one document: write each activity to a file of its own"})
	}
	s = s.Normalize()
	if all = append(all, s.validate()...); len(all) > 0 {
		return s, all
	}
	return s, nil
}

// report collects problems.
type report struct{ found Problems }

func (r *report) add(at, format string, args ...any) {
	r.found = append(r.found, &Problem{at, fmt.Sprintf(format, args...)})
}

func (r *report) need(at, value string) {
	if strings.TrimSpace(value) == "" {
		r.add(at, "it is missing")
	}
}

func (r *report) check(at string, err error) {
	if err != nil {
		r.add(at, "%v", err)
	}
}

func (r *report) among(at, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	r.add(at, "%q is none of %s", value, strings.Join(allowed, ", "))
}

func (s Spec) validate() Problems {
	r := &report{}
	r.need("name", s.Name)
	if len(s.Name) > 128 || strings.ContainsAny(s.Name, "\x00\r\n/\\") {
		r.add("name", "an activity's name has at most 128 characters, no line ends and no slashes")
	}
	s.Source.validate(r, "source", true)
	s.validateShare(r)
	s.validateStorage(r)
	s.validateTarget(r)
	s.validateDatabases(r)
	s.validateSettings(r)
	return r.found
}

func (s ServerSpec) validate(r *report, at string, need bool) {
	if need {
		r.need(at+".server", s.Server)
		r.need(at+".user", s.User)
	}
	if host, instance, named := strings.Cut(s.Server, `\`); named && (host == "" || instance == "" || strings.ContainsAny(instance, `\/,`)) {
		r.add(at+".server", `%q is not server\instance`, s.Server)
	} else if strings.ContainsAny(host, " ,;/") {
		r.add(at+".server", "%q is not a server's name or address; the port has a key of its own", s.Server)
	}
	if s.Port < 0 || s.Port > 65535 {
		r.add(at+".port", "%d is not a port", s.Port)
	}
	if s.TrustServerCertificate && s.CA != "" {
		r.add(at+".ca", "an authority is not asked when trustServerCertificate is set: take one of the two out")
	}
}

func (s Spec) validateShare(r *report) {
	place, err := ParsePlace(s.Share.Path)
	if s.Share.Path == "" {
		r.need("share.path", "")
	} else {
		r.check("share.path", err)
	}
	r.check("share.user", azureShare(s.Share.User, s.Share.Path))
	if err == nil && place.Local == "" && s.Share.User == "" {
		r.add("share.user", "it is missing: a share is not read as a guest")
	}
	r.among("share.folders", s.Share.Folders, "one", perDatabase)
}

var containerName = regexp.MustCompile(`^[a-z0-9](?:-?[a-z0-9]){2,62}$`)

func (s Spec) validateStorage(r *report) {
	st := s.Storage
	switch {
	case st.Container == "" && st.Folder == "":
		r.add("storage", "it has neither container nor folder")
	case st.Container != "" && st.Folder != "":
		r.add("storage", "it has both container and folder")
	case st.Folder != "" && s.Target.Endpoint == "":
		r.add("storage.folder", "a managed instance in Azure restores from a blob container only")
	case st.Container != "":
		r.check("storage.container", checkContainer(st.Container))
	}
	if st.SASFile != "" && st.KeyFile != "" {
		r.add("storage", "it has both sasFile and keyFile")
	}
	if st.KeyFile != "" && st.Account == "" {
		r.add("storage.account", "it is missing: a key is the key of an account")
	}
}

func checkContainer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return errors.New("it is not of the form https://account.blob.core.windows.net/container")
	}
	name := strings.Trim(u.Path, "/")
	local := u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost"
	if i := strings.LastIndexByte(name, '/'); local && i >= 0 {
		name = name[i+1:] // an emulator has the account in the path
	}
	switch {
	case u.RawQuery != "" || u.User != nil:
		return errors.New("it holds a query or a user: give a shared access signature by the environment or by sasFile")
	case u.Scheme != "https" && !(u.Scheme == "http" && local):
		return errors.New("it has to begin with https")
	case strings.EqualFold(name, "backup") || strings.EqualFold(name, "backups"):
		return fmt.Errorf("a container called %q is refused by the log replay service: choose another name", name)
	case !containerName.MatchString(name):
		return fmt.Errorf("%q is not a container's name: 3 to 63 lower-case letters, digits and single hyphens", name)
	}
	return nil
}

func (s Spec) validateTarget(r *report) {
	t := s.Target
	if t.Instance == "" {
		r.need("target.instance", "")
	} else if _, err := armtypes.ParseInstanceID(t.Instance); err != nil {
		r.check("target.instance", err)
	}
	if (t.Tenant == "") != (t.ClientID == "") {
		r.add("target", "tenant and clientId come together")
	}
	t.SQL.validate(r, "target.sql", false)
}

// systemDatabases are not moved.
var systemDatabases = map[string]string{
	"master":              "it is a system database: its logins are moved by settings.logins",
	"model":               "it is a system database",
	"msdb":                "it is a system database: its jobs have to be scripted",
	"tempdb":              "it is a system database",
	"mssqlsystemresource": "it is a system database",
	"distribution":        "it is replication's system database",
	"ssisdb":              "the catalog of Integration Services is not moved: provision SSIS in Azure Data Factory and deploy the projects to the SSISDB there",
}

func (s Spec) validateDatabases(r *report) {
	if len(s.Databases) == 0 {
		r.need("databases", "")
	}
	sources, targets := map[string]int{}, map[string]int{}
	for i, d := range s.Databases {
		at := fmt.Sprintf("databases[%d]", i)
		r.need(at+".name", d.Name)
		if why := systemDatabases[strings.ToLower(d.Name)]; why != "" {
			r.add(at+".name", "%s is not migrated: %s", d.Name, why)
		}
		if why := systemDatabases[strings.ToLower(d.Target)]; why != "" && !strings.EqualFold(d.Target, d.Name) {
			r.add(at+".targetName", "%s is not a name for a user database", d.Target)
		}
		for key, name := range map[string]string{".name": d.Name, ".targetName": d.Target} {
			if len([]rune(name)) > 128 {
				r.add(at+key, "a name has at most 128 characters")
			}
		}
		if j, twice := sources[strings.ToLower(d.Name)]; twice {
			r.add(at+".name", "%s is databases[%d] already", d.Name, j)
		} else if j, twice := targets[strings.ToLower(d.Target)]; twice {
			r.add(at+".targetName", "%s is the target of databases[%d] already", d.Target, j)
		}
		sources[strings.ToLower(d.Name)], targets[strings.ToLower(d.Target)] = i, i
		if d.Path != "" && d.Path != s.Share.Path {
			_, err := ParsePlace(d.Path)
			r.check(at+".path", err)
		}
	}
}

func (s Spec) validateSettings(r *report) {
	c := s.Settings
	r.among("settings.logins", c.Logins, LoginsNeeded, LoginsAll, LoginsNone)
	between := func(at string, v, low, high int) {
		if v < low || v > high {
			r.add(at, "%d is not between %d and %d", v, low, high)
		}
	}
	between("settings.blockMiB", c.BlockMiB, 1, 100)
	between("settings.parallel", c.Parallel, 1, 64)
	between("settings.bandwidthMiB", c.BandwidthMiB, 0, 1<<20)
	if c.ScanEvery < 100*time.Millisecond || c.ScanEvery > time.Hour {
		r.add("settings.scanEvery", "%v is not between 100ms and 1h", c.ScanEvery)
	}
	if c.MaxPause < time.Second || c.MaxPause > 24*time.Hour {
		r.add("settings.maxPause", "%v is not between 1s and 24h", c.MaxPause)
	}
}

// Warnings are what is allowed and should be known.
func (s Spec) Warnings() []string {
	var out []string
	for _, x := range []struct {
		at string
		on bool
	}{{"source", s.Source.TrustServerCertificate}, {"target.sql", s.Target.SQL.TrustServerCertificate}} {
		if x.on {
			out = append(out, x.at+".trustServerCertificate: TLS connections encrypted with a self-signed certificate are not strong: they are open to "+
				"man-in-the-middle attacks. Do not rely on them in production, or on servers that are connected to the internet")
		}
	}
	if s.Settings.AcceptNoChecksum {
		out = append(out, "settings.acceptNoChecksum: damage in a backup made without CHECKSUM may come to the target unseen")
	}
	return out
}
