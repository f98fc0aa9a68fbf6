package instance

import "linkspan/rel"

// View is one of the views that every database shows, for those who watch the instance without a session; nil when there
// is none of that name. It implements rel.Views.
func (in *Instance) View(schema, name string) *rel.View { return in.views.View(schema, name) }
