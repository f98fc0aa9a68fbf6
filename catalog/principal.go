package catalog

import (
	"strings"

	"linkspan/sqlerr"
)

// IsRole tells a role from a user.
func (p *Principal) IsRole() bool { return p.Kind == "R" }

// Built tells that every database has the principal and that it stays as it is.
func (p *Principal) Built() bool { return p.Fixed }

// withoutLogin begins the SIDs of users without a login and of roles (S-1-9-3): no login has one.
const withoutLogin = "\x01\x05\x00\x00\x00\x00\x00\x09\x03\x00\x00\x00"

// HasLogin tells that a user stands for a login, which may be gone.
func (p *Principal) HasLogin() bool {
	return p.ID == dboID || len(p.SID) > 0 && !p.IsRole() && !strings.HasPrefix(string(p.SID), withoutLogin)
}

// SIDWithoutLogin makes the SID of a user or role for which no login stands, of 16 bytes that nothing else has.
func SIDWithoutLogin(unique [16]byte) []byte { return append([]byte(withoutLogin), unique[:]...) }

// kindWord is what messages call the principal.
func (p *Principal) kindWord() string {
	if p.IsRole() {
		return "role"
	}
	return "user"
}

// CreatePrincipal adds a user or role and gives its number. A name that is taken is 15023. A user that is made for a login
// (it has a SID) may connect.
func (d *Definer) CreatePrincipal(p Principal) (int32, error) {
	if d.snap.Principal(p.Name) != nil {
		return 0, sqlerr.New(15023, p.Name)
	}
	n, err := d.number("SELECT max(4, coalesce(max(id), 0)) + 1 FROM @sys_principal WHERE id < 16384")
	if err != nil {
		return 0, err
	}
	var sid any
	if p.SID != nil {
		sid = p.SID
	}
	err = d.exec("INSERT INTO @sys_principal VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)", n, p.Name, p.Kind, nullable(p.DefaultSchema), sid, d.now.UnixMicro())
	if err != nil {
		return 0, err
	}
	id := int32(n)
	if !p.IsRole() {
		return id, d.SetPermission(Permission{Class: ClassDatabase, Grantee: id, Grantor: dboID, Name: "CONNECT", State: Grant})
	}
	return id, d.done()
}

// AlterPrincipal changes the name, default schema and login of a user, or the name of a role.
func (d *Definer) AlterPrincipal(id int32, p Principal) error {
	if other := d.snap.Principal(p.Name); other != nil && other.ID != id {
		return sqlerr.New(15023, p.Name)
	}
	var sid any
	if p.SID != nil {
		sid = p.SID
	}
	if err := d.exec("UPDATE @sys_principal SET name = ?2, default_schema = ?3, sid = ?4 WHERE id = ?1", id, p.Name, nullable(p.DefaultSchema), sid); err != nil {
		return err
	}
	return d.done()
}

// DropPrincipal removes a user or role with its memberships: 15151 when there is none, 15150 for the fixed ones, 15138 for
// one that owns something, 15144 for a role with members.
func (d *Definer) DropPrincipal(name string) error {
	p := d.snap.Principal(name)
	if p == nil {
		return sqlerr.New(15151, "drop", "user", name)
	}
	if p.Fixed {
		return sqlerr.New(15150, "drop", p.kindWord(), p.Name)
	}
	if err := d.snap.owns(p.ID); err != nil {
		return err
	}
	for _, m := range d.snap.members {
		if m.Role == p.ID {
			return sqlerr.New(15144)
		}
	}
	if err := d.exec("DELETE FROM @sys_member WHERE member = ?1", p.ID); err != nil {
		return err
	}
	if err := d.exec("DELETE FROM @sys_principal WHERE id = ?1", p.ID); err != nil {
		return err
	}
	if err := d.forgetPrincipal(p.ID); err != nil {
		return err
	}
	return d.done()
}

// SetMember puts a principal into a role or takes it out. Errors: 15151 for what does not exist, 15410 for a member that
// does not, 15405 for dbo and the like, 15413 for a role that would be a member of itself.
func (d *Definer) SetMember(role, member string, in bool) error {
	r, m := d.snap.Principal(role), d.snap.Principal(member)
	switch {
	case r == nil || !r.IsRole():
		return sqlerr.New(15151, "alter", "role", role)
	case r.ID == publicID:
		return sqlerr.New(15081)
	case m == nil:
		verb := "drop"
		if in {
			verb = "add"
		}
		return sqlerr.New(15151, verb, "principal", member)
	case m.Fixed:
		return sqlerr.New(15405, m.Name)
	case in && (m.ID == r.ID || d.snap.Access(r.ID).Is(m.ID)):
		return sqlerr.New(15413)
	}
	text := "DELETE FROM @sys_member WHERE role = ?1 AND member = ?2"
	if in {
		text = "INSERT OR IGNORE INTO @sys_member VALUES(?1, ?2)"
	}
	if err := d.exec(text, r.ID, m.ID); err != nil {
		return err
	}
	return d.done()
}

// shownSID is the principal's SID as sys.database_principals shows it: that of the server's administrator for a dbo of
// whom nothing else is known.
func (p *Principal) shownSID() []byte {
	switch {
	case p.SID != nil:
		return p.SID
	case p.ID == dboID:
		return []byte{1}
	case p.ID == guestID:
		return []byte{0}
	}
	return nil
}
