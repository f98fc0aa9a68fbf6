// Package migrate owns what a migration by backups is told: the spec, a YAML file that names source, share, storage,
// target, databases and settings under one activity.
//
// A spec holds no secrets: those come from the environment or from files that only their owner can read. Everything that
// can be known to be wrong without asking a server is reported at once, each problem with its place in the file. The
// JSON schema that editors check specs by is made of the types here. What a migration then does is migrate/flow's table.
package migrate
