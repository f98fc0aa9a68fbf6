package bind

import "linkspan/tsql/ast"

// merge refuses MERGE by name.
func (b *binder) merge(s *ast.Merge) (*Plan, error) { return nil, b.refuse(s, "MERGE") }
