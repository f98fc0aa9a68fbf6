package doctor

import (
	"net"
	"strconv"
	"strings"
	"time"

	"linkspan/link/flow"
)

// judgeTrust compares what each side shows with what the other has imported.
func (f *facts) judgeTrust(r *Report, now time.Time) {
	if f.arm.err != nil {
		return
	}
	if !f.target.asked { // what the API shows is all there is
		judgeDates(r, f.arm.fqdn(), f.arm.shown, now)
	}
	if f.source.err != nil {
		return
	}
	if c := f.source.shown(); c != nil {
		name, ok := f.arm.trusted[c.print]
		if ok {
			r.check(f.arm.fqdn(), "SQL Server's certificate is imported", Passed, "as %s", name)
		} else {
			r.check(f.arm.fqdn(), "SQL Server's certificate is imported", Failed, "thumbprint %s is not among %d", c.print, len(f.arm.trusted))
			r.find("LS-CRT-004", f.arm.fqdn(), "none of its %d serverTrustCertificates has thumbprint %s", len(f.arm.trusted), c.print)
		}
	}
	f.judgeImport(r)
}

// judgeImport looks for the managed instance's certificate on SQL Server.
func (f *facts) judgeImport(r *Report) {
	const name = "the managed instance's certificate is imported"
	fqdn, print := f.arm.fqdn(), f.arm.shown.print
	named, held := f.source.certificate(fqdn), f.source.holding(print)
	switch {
	case named != nil && named.print == print:
		r.check(f.source.name, name, Passed, "as %s", named.name)
		return
	case held != nil && f.bound(held):
		r.check(f.source.name, name, Passed, "as %s, to which a link was rotated", held.name)
		return
	case named != nil:
		r.find("LS-CRT-007", f.source.name, "certificate [%s] has thumbprint %s, and the instance shows %s", fqdn, named.print, print)
	case held != nil:
		r.find("LS-CRT-006", f.source.name, "it is imported as [%s]; the FQDN is %s", held.name, fqdn)
	default:
		r.find("LS-CRT-005", f.source.name, "sys.certificates has none with thumbprint %s", print)
	}
	r.check(f.source.name, name, Failed, "thumbprint %s", print)
}

// bound reports whether a link runs by a certificate, though its name is another than the FQDN.
func (f *facts) bound(c *certificateFacts) bool {
	for _, l := range f.links {
		if m := f.source.member(l.DAG, false); m != nil && m.connected == "CONNECTED" {
			return true
		}
	}
	return false
}

// judgeLink compares the two sides' ideas of one link, and what each found when it tried.
func (f *facts) judgeLink(r *Report, l flow.Spec) {
	if f.source.err == nil && f.arm.err == nil {
		f.judgeGroups(r, l)
	}
	f.judgeStages(r, &f.source, l, false)
	if f.target.asked {
		f.judgeStages(r, &f.target, l, true)
	}
	if m := f.source.member(l.DAG, false); m != nil && f.source.err == nil {
		switch {
		case m.connected != "CONNECTED" && m.fault != "":
			r.find("LS-LNK-002", l.DAG, "%s: last_connect_error %d: %s", f.source.name, m.faultNumber, m.fault)
		case m.connected != "CONNECTED" && f.arm.link(l.DAG) != nil:
			r.find("LS-LNK-002", l.DAG, "%s shows %s", f.source.name, m.connected)
		case m.connected == "CONNECTED" && m.health != "HEALTHY":
			r.find("LS-LNK-003", l.DAG, "%s shows %s", f.source.name, m.health)
		}
		r.check(f.source.name, "link "+l.DAG, outcome(m.connected == "CONNECTED"), "%s, %s", m.connected, m.health)
	}
	for _, s := range []*server{&f.source, &f.target} {
		if d := s.divergence[l.DAG]; d != "" {
			r.find("LS-LNK-005", l.DAG, "%s: %s", s.name, d)
		}
	}
}

func outcome(ok bool) string {
	if ok {
		return Passed
	}
	return Failed
}

// judgeGroups compares names and URLs.
func (f *facts) judgeGroups(r *Report, l flow.Spec) {
	own, remote, there := f.source.member(l.DAG, true), f.source.member(l.DAG, false), f.arm.link(l.DAG)
	switch {
	case own == nil && remote == nil && there == nil:
		r.check(f.source.name, "link "+l.DAG, Skipped, "neither side has it yet")
		return
	case own == nil || remote == nil:
		r.find("LS-GRP-001", l.DAG, "sys.availability_groups of %s has no %s", f.source.name, l.DAG)
		return
	case there == nil:
		r.find("LS-GRP-002", l.DAG, "%s has no link %s", f.arm.fqdn(), l.DAG)
	case !strings.EqualFold(there.PartnerAG, own.name) || !strings.EqualFold(there.InstanceAG, remote.name):
		r.find("LS-GRP-003", l.DAG, "SQL Server: %s and %s; managed instance: %s and %s", own.name, remote.name, there.PartnerAG, there.InstanceAG)
	}
	f.judgeURL(r, l, remote.url)
	if !hasFold(f.source.databases[strings.ToLower(own.name)], l.Database) {
		r.find("LS-GRP-007", l.DAG, "%s has %v, and the link is of %s", own.name, f.source.databases[strings.ToLower(own.name)], l.Database)
	}
}

func hasFold(list []string, want string) bool {
	for _, s := range list {
		if strings.EqualFold(s, want) {
			return true
		}
	}
	return false
}

// judgeURL looks at the listener URL of the managed instance's member.
func (f *facts) judgeURL(r *Report, l flow.Spec, text string) {
	address, options, _ := strings.Cut(text, ";")
	named := ""
	for _, o := range strings.Split(options, ";") {
		if key, value, ok := strings.Cut(o, "="); ok && strings.EqualFold(strings.TrimSpace(key), "Server") {
			named = strings.Trim(strings.TrimSpace(value), "[]")
		}
	}
	switch {
	case named == "":
		r.find("LS-GRP-004", l.DAG, "LISTENER_URL is %s", text)
	case !strings.EqualFold(named, f.instanceName()):
		r.find("LS-GRP-005", l.DAG, "LISTENER_URL is %s, and the instance is %s", text, f.instanceName())
	}
	_, address, _ = strings.Cut(address, "//")
	host, _, err := net.SplitHostPort(address)
	if err == nil && !strings.EqualFold(host, f.arm.fqdn()) {
		r.find("LS-GRP-006", l.DAG, "LISTENER_URL is %s, and the FQDN is %s", text, f.arm.fqdn())
	}
}

// instanceName is the managed instance's short name.
func (f *facts) instanceName() string { return f.links[0].Instance.Name }

// judgeStages says what a server found when it tried the way to the other side itself.
func (f *facts) judgeStages(r *Report, s *server, l flow.Spec, managed bool) {
	if s.untested {
		r.check(s.name, "the way to the other side", Skipped, "sp_linkspan_test_link is not there")
		r.find("LS-SQL-005", s.name, "Msg 2812")
		return
	}
	for _, g := range s.stages[l.DAG] {
		r.check(s.name, "its way to the other side: "+g.name, outcome(g.ok), "%s", g.detail)
		if !g.ok {
			if id := f.stageID(g, managed); id != "" {
				r.find(id, s.name+" → the other side", "%s: %s", g.name, numbered(g))
			}
		}
	}
}

func numbered(g stage) string {
	if g.number == 0 {
		return g.detail
	}
	return "Msg " + strconv.FormatInt(g.number, 10) + ": " + g.detail
}

// stageID is the finding of a stage that failed; "" when other findings say it already.
func (f *facts) stageID(g stage, managed bool) string {
	switch g.name {
	case "ENDPOINT":
		return "" // judged by the endpoint's own views
	case "RESOLVE":
		return "LS-NET-006"
	case "CONNECT":
		return "LS-NET-007"
	case "TLS":
		return "LS-NET-008"
	case "CERTIFICATE":
		return f.certificateID(g, managed)
	case "PROTOCOL", "TEST":
		return "LS-NET-008"
	case "CLOCK":
		return "LS-CLK-001"
	}
	switch g.number {
	case 35203:
		return "LS-LNK-004"
	case 41974, 41973:
		return f.certificateID(g, managed)
	}
	return "LS-LNK-001"
}

// certificateID tells a certificate that is not imported from one that was exchanged on the way.
func (f *facts) certificateID(g stage, managed bool) string {
	source := f.source.shown()
	fromSource := source != nil && f.arm.trusted[source.print] != ""
	fromTarget := f.source.holding(f.arm.shown.print) != nil
	switch g.number {
	case 41973: // the managed instance does not know what came from SQL Server
		if fromSource {
			return "LS-TLS-004"
		}
		return "LS-CRT-004"
	case 41974:
		if fromTarget && f.source.certificate(f.arm.fqdn()) != nil {
			return "LS-TLS-004"
		}
		if fromTarget {
			return "LS-CRT-006"
		}
		return "LS-CRT-005"
	case 28023, 28025:
		return "LS-CRT-001"
	case 28022, 28024:
		return "LS-CRT-002"
	case 28045:
		return "LS-CRT-007"
	case 28035:
		return "LS-CRT-008"
	}
	return "LS-LNK-001"
}
