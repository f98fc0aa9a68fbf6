package hadr

import "linkspan/rel"

// Views are the catalog and dynamic management views of this package.
func (m *Manager) Views() []rel.View { return nil }
