package flow

import "linkspan/armtypes"

// linkDatabase is a database's part in a link as the management API shows it.
type linkDatabase = armtypes.LinkDatabase

// Create lists the steps that make a link, in their order. The endpoint stands before the first step that needs its
// certificate's name at the partner, so that an existing endpoint's certificate is the one that is uploaded (look reads
// it).
func Create() []Step {
	return []Step{
		look(), masterKey(), certificate(), upload(), importPartner(), mirroringEndpoint(), backup(), group(), distributedGroup(), join(), connected(), seeded(), online(),
	}
}

// Delete lists the steps that end a link: first on the managed instance, whose database becomes independent, then on
// SQL Server. dropAG also drops the availability group; the database stays as it is.
func Delete(dropAG bool) []Step {
	steps := []Step{leave(), drop("distributed-group", "drop the distributed availability group", 1, func(s *State) string { return s.DAG })}
	if dropAG {
		steps = append(steps, drop("group", "drop the availability group; the database stays", 0, func(s *State) string { return s.AG }))
	}
	return steps
}

func leave() Step {
	return Step{
		ID: "leave", Title: "end the link on the managed instance; its database becomes independent and writable", Precondition: "the instance shows the link",
		Effect: "the instance shows no link of the name",
		Probe:  func(s *State) []Call { return []Call{{Op: GetLink, Instance: s.Instance, Name: s.DAG}} },
		Decide: func(s *State, a []Answer) (Decision, error) {
			if a[0].Link == nil {
				return done("no link %q", s.DAG)
			}
			return act("the link is %s", a[0].Link.State)
		},
		Do: func(s *State) []Call { return []Call{{Op: DeleteLink, Instance: s.Instance, Name: s.DAG}} },
	}
}

func drop(id, title string, distributed int64, name func(*State) string) Step {
	return Step{
		ID: id, Title: title, Precondition: "sys.availability_groups shows the group", Effect: "sys.availability_groups does not show it",
		Tolerates: []int32{errMissing},
		Probe: func(s *State) []Call {
			return []Call{{SQL: "SELECT name, is_distributed FROM sys.availability_groups WHERE name = @p1", Args: []any{name(s)}}}
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			if len(a[0].Rows) == 0 {
				return done("no group %q", name(s))
			}
			if (a[0].Rows[0].Int("is_distributed") != 0) != (distributed != 0) {
				return refuse(id, "check the names", "the group %q is not of the kind that is to be dropped", name(s))
			}
			return act("the group exists")
		},
		Do: func(s *State) []Call { return []Call{{SQL: dropGroup(name(s))}} },
	}
}
