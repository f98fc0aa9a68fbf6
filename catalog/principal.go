package catalog

import "linkspan/sqlerr"

// CreatePrincipal adds a user or role and gives its number. A name that is taken is 15023.
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
	return int32(n), d.done()
}

// AlterPrincipal changes the name, default schema and login of a user.
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

// DropPrincipal removes a user or role with its memberships: 15151 when there is none, 15150 for the fixed ones.
func (d *Definer) DropPrincipal(name string) error {
	p := d.snap.Principal(name)
	if p == nil {
		return sqlerr.New(15151, "drop", "user", name)
	}
	if p.Fixed {
		return sqlerr.New(15150, "user", name)
	}
	for _, s := range d.snap.schemas {
		if s.Owner == p.ID {
			return sqlerr.New(15138)
		}
	}
	if err := d.exec("DELETE FROM @sys_member WHERE role = ?1 OR member = ?1", p.ID); err != nil {
		return err
	}
	if err := d.exec("DELETE FROM @sys_principal WHERE id = ?1", p.ID); err != nil {
		return err
	}
	return d.done()
}

// SetMember puts a principal into a role or takes it out.
func (d *Definer) SetMember(role, member string, in bool) error {
	r, m := d.snap.Principal(role), d.snap.Principal(member)
	if r == nil || r.Kind != "R" {
		return sqlerr.New(15151, "alter", "role", role)
	}
	if m == nil {
		return sqlerr.New(15151, "add", "principal", member)
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
