package logins

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestPlans plans over written facts. Commands:
//
//	source, target [cs]             the facts of a side, one a line:
//	    login|windows|group|certificate|key|external NAME sid=0a [hash=A|old:A|2025:A|odd|none] [db=] [lang=] [age=] [disabled] …
//	    role NAME [owner=] [fixed] | member ROLE NAME | grant|deny|option NAME PERMISSION [on=login:N|role:N|endpoint:N]
//	    endpoint NAME [owner=] | database NAME [owner=] [state=]
//	pairs                           a line for each database: SOURCE TARGET
//	users database=                 users of a database: NAME sid= [type=] [auth=] [id=] [connect=]
//	rights side= database=          user= connect= then a line for each right
//	list [scope=], initialize, login, mapping, membership, ownership, permissions, objects login=, map database=, missing
func TestPlans(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/plan", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.run(t, d) })
	})
}

type world struct {
	s        *sides
	accounts []accounts
	rights   map[string][]rights
}

func newWorld() *world {
	return &world{s: &sides{src: &server{}, dst: &server{}}, rights: map[string][]rights{}}
}

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	name := ""
	d.MaybeScanArgs(t, "login", &name)
	if u, err := strconv.Unquote(name); err == nil {
		name = u
	}
	switch d.Cmd {
	case "source":
		*w = *newWorld()
		w.s.src = facts(t, d)
	case "target":
		w.s.dst = facts(t, d)
		w.accounts, w.rights = nil, map[string][]rights{}
	case "pairs":
		w.s.pairs = nil
		for _, line := range lines(d.Input) {
			w.s.pairs = append(w.s.pairs, Pair{line[0], line[1]})
		}
	case "users":
		w.users(t, d)
	case "rights":
		w.addRights(t, d)
	case "list":
		return w.list(t, d)
	case "initialize":
		return printed(planInitialize(w.s, name), false)
	case "login":
		return printed(planLogin(w.s, name, !d.HasArg("later")), d.HasArg("full"))
	case "missing":
		var out strings.Builder
		for i := range w.s.src.principals {
			if text := w.s.missing(&w.s.src.principals[i]); text != "" {
				fmt.Fprintln(&out, text)
			}
		}
		return out.String()
	case "map":
		return w.mapAll()
	default:
		return w.later(t, d, name)
	}
	return ""
}

func (w *world) later(t *testing.T, d *datadriven.TestData, name string) string {
	l, p := w.s.subject(name)
	if l == nil {
		return printed(p, false)
	}
	switch d.Cmd {
	case "mapping":
		return printed(planMapping(w.s, l, w.accounts), false)
	case "membership":
		return printed(planMembership(w.s, l), false)
	case "ownership":
		return printed(planOwnership(w.s, l), false)
	case "permissions":
		return printed(planPermissions(w.s, l, d.HasArg("last")), false)
	case "objects":
		return printed(planObjects(w.s, l, w.rights["source"], w.rights["target"]), false)
	}
	d.Fatalf(t, "no command %q", d.Cmd)
	return ""
}

func (w *world) mapAll() string {
	var out strings.Builder
	for i := range w.accounts {
		all := w.s.mappings(&w.accounts[i])
		for _, m := range all {
			if m.step.text != "" {
				fmt.Fprintln(&out, m.step.text)
			}
		}
		for _, text := range orphans(all, nil) {
			fmt.Fprintln(&out, "orphan:", text)
		}
	}
	return out.String()
}

func (w *world) list(t *testing.T, d *datadriven.TestData) string {
	scope := ScopeNeeded
	d.MaybeScanArgs(t, "scope", &scope)
	var users []user
	for _, a := range w.accounts {
		for _, u := range a.users {
			users = append(users, user{u.name, u.sid})
		}
	}
	var out strings.Builder
	var guests []string
	if d.HasArg("guests") {
		guests = []string{"sales"}
	}
	for _, e := range listed(w.s.src, scope, w.s.pairs, users, guests) {
		fmt.Fprintf(&out, "%s: %s\n", e.name, e.skip)
	}
	return out.String()
}

func (w *world) users(t *testing.T, d *datadriven.TestData) {
	var db string
	d.ScanArgs(t, "database", &db)
	a := accounts{pair: Pair{db, w.s.target(db)}}
	if o := w.s.dst.database(a.pair.Target); o != nil {
		a.owner = o.owner
	}
	for i, line := range lines(d.Input) {
		u := account{id: 5 + i, name: line[0], kind: "S", auth: 1, connect: "G"}
		for k, v := range fields(line[1:]) {
			switch k {
			case "sid":
				u.sid = sid(t, v)
			case "type":
				u.kind = v
			case "auth":
				u.auth, _ = strconv.Atoi(v)
			case "id":
				u.id, _ = strconv.Atoi(v)
			}
		}
		a.users = append(a.users, u)
	}
	w.accounts = append(w.accounts, a)
}

func (w *world) addRights(t *testing.T, d *datadriven.TestData) {
	var side, db string
	d.ScanArgs(t, "side", &side)
	d.ScanArgs(t, "database", &db)
	r := rights{pair: Pair{db, w.s.target(db)}}
	d.MaybeScanArgs(t, "user", &r.user)
	d.MaybeScanArgs(t, "connect", &r.connect)
	if d.Input != "" {
		r.all = strings.Split(d.Input, "\n")
	}
	w.rights[side] = append(w.rights[side], r)
}

var long = regexp.MustCompile(`(0x[0-9A-F]{4})[0-9A-F]{20,}([0-9A-F]{2})`)

func printed(p plan, full bool) string {
	var out strings.Builder
	switch {
	case p.halt != nil:
		fmt.Fprintln(&out, "halt:", p.halt)
	}
	for _, s := range p.steps {
		fmt.Fprintln(&out, long.ReplaceAllString(s.text, "$1…$2"))
		if s.instead != nil && full {
			for _, number := range []int32{15033, 574, 40510} {
				fmt.Fprintf(&out, "  after %d: %s\n", number, long.ReplaceAllString(s.instead(number), "$1…$2"))
			}
		}
	}
	for _, text := range p.warnings {
		fmt.Fprintln(&out, "warning:", text)
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// lines splits input into words; a word in double quotes is a Go string.
func lines(input string) [][]string {
	word := regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\S+`)
	var out [][]string
	for _, line := range strings.Split(input, "\n") {
		var words []string
		for _, w := range word.FindAllString(line, -1) {
			if u, err := strconv.Unquote(w); err == nil {
				w = u
			}
			words = append(words, w)
		}
		if len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

func fields(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		if u, err := strconv.Unquote(v); err == nil {
			v = u
		}
		out[k] = v
	}
	return out
}

// sid makes 16 bytes of one, or what is given when it is longer, or ends in "!".
func sid(t *testing.T, text string) []byte {
	short, exact := strings.CutSuffix(text, "!")
	b, err := hex.DecodeString(short)
	if err != nil {
		t.Fatal(err)
	}
	if !exact && len(b) == 1 {
		return bytes.Repeat(b, sidSize)
	}
	return b
}

// hash makes one of a form: A is SHA-512 since 2012.
func hash(t *testing.T, text string) secret {
	form, of, ok := strings.Cut(text, ":")
	if !ok {
		form, of = "", text
	}
	switch text {
	case "none":
		return secret{}
	case "odd":
		return keep([]byte{9, 9, 9})
	}
	switch form {
	case "old":
		return keep(append([]byte{1, 0}, bytes.Repeat([]byte(of), 24)...))
	case "2025":
		return keep(append([]byte{3, 0}, bytes.Repeat([]byte(of), 68)...))
	case "":
		return keep(append([]byte{2, 0}, bytes.Repeat([]byte(of), 68)...))
	}
	t.Fatalf("no hash %q", text)
	return secret{}
}

var kinds = map[string]string{"login": "S", "windows": "U", "group": "G", "certificate": "C", "key": "K", "external": "E", "role": "R"}

// facts reads the facts of a side. Every login may CONNECT SQL unless it says noconnect.
func facts(t *testing.T, d *datadriven.TestData) *server {
	s := &server{name: d.Cmd + ":1433", folds: !d.HasArg("cs")}
	all := lines(d.Input)
	for _, line := range all {
		if kind := kinds[line[0]]; kind != "" {
			addPrincipal(t, s, kind, line)
		}
	}
	id := func(name string) int {
		p := s.byName(name)
		if p == nil {
			t.Fatalf("%s: nobody is called %q", d.Pos, name)
		}
		return p.id
	}
	for _, line := range all {
		f := fields(line[1:])
		switch line[0] {
		case "role":
			if f["owner"] != "" {
				s.byName(line[1]).owner = id(f["owner"])
			}
		case "member":
			s.members = append(s.members, member{id(line[1]), id(line[2])})
		case "grant", "deny", "option":
			addPermission(t, s, line, f, id)
		case "endpoint":
			e := endpoint{id: 65536 + len(s.endpoints), name: line[1]}
			if f["owner"] != "" {
				e.owner = id(f["owner"])
			}
			s.endpoints = append(s.endpoints, e)
		case "database":
			db := database{name: line[1], state: "ONLINE", open: f["state"] == ""}
			if !db.open {
				db.state = f["state"]
			}
			if f["owner"] != "" {
				db.owner = s.byName(f["owner"]).sid
			}
			s.databases = append(s.databases, db)
		}
	}
	return s
}

func addPrincipal(t *testing.T, s *server, kind string, line []string) {
	p := principal{id: 256 + len(s.principals), name: line[1], kind: kind, database: "master", language: "us_english", policy: true}
	if kind == kindSQL {
		p.hash = hash(t, "A")
	}
	connect := kind != kindRole
	for k, v := range fields(line[2:]) {
		switch k {
		case "sid":
			p.sid = sid(t, v)
		case "hash":
			p.hash = hash(t, v)
		case "db":
			p.database = v
		case "lang":
			p.language = v
		case "age":
			age, _ := time.ParseDuration(v + "s")
			p.set = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-age)
		case "credential":
			p.credential = v
		case "disabled":
			p.disabled = true
		case "mustchange":
			p.mustChange = true
		case "nopolicy":
			p.policy = false
		case "expiration":
			p.expiration = true
		case "noconnect":
			connect = false
		case "fixed":
			p.fixed = true
		}
	}
	s.principals = append(s.principals, p)
	if connect {
		s.permissions = append(s.permissions, permission{class: classServer, grantee: p.id, name: connectSQL, state: "G"})
	}
}

func addPermission(t *testing.T, s *server, line []string, f map[string]string, id func(string) int) {
	g := permission{class: classServer, grantee: id(line[1]), name: line[2], state: map[string]string{"grant": "G", "deny": "D", "option": "W"}[line[0]]}
	if kind, on, ok := strings.Cut(f["on"], ":"); ok {
		switch kind {
		case "endpoint":
			g.class = classEndpoint
			for _, e := range s.endpoints {
				if e.name == on {
					g.major = e.id
				}
			}
		case "class":
			g.class, _ = strconv.Atoi(on)
		default:
			g.class, g.major = classPrincipal, id(on)
		}
	}
	s.permissions = append(s.permissions, g)
}
