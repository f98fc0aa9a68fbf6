package web

import (
	"net/http"

	"linkspan/migrate"
	"linkspan/migrate/ledger"
)

// route is one operation of the API, and what the OpenAPI document says of it.
type route struct {
	method, path string
	role         Role
	// id and about name it in the document.
	id, about string
	query     []param
	// takes and gives are zero values of the bodies' types; nil for none. yaml: the body may be a spec's YAML too.
	takes, gives any
	yaml         bool
	// status is that of success; also are other answers that are no problem.
	status int
	also   map[int]string
	// problems are the kinds of problems beside those of every route, by status.
	problems map[int]string
	// text is the content type of an answer that is not JSON.
	text  string
	serve func(*call) error
	// open admits requests without a token.
	open func(*call) bool
}

// param is a parameter in the query.
type param struct {
	name, kind, about string
	many              bool
}

// The bodies that routes take and give.
type (
	// SpecBody is a spec in JSON.
	SpecBody struct {
		// Spec is the YAML text of docs/migrate.md. It holds no secrets: it names files in folders that the service may use.
		Spec string `json:"spec"`
	}
	// ActivitiesBody lists activities.
	ActivitiesBody struct {
		Activities []ledger.Summary `json:"activities"`
	}
	// TimelineBody is a part of a timeline, oldest first.
	TimelineBody struct {
		Entries []ledger.Entry `json:"entries"`
	}
	// AuditBody is a part of the audit, oldest first.
	AuditBody struct {
		Entries []ledger.AuditEntry `json:"entries"`
	}
	// DatabasesBody names databases as they are called on the source; none means all of the activity.
	DatabasesBody struct {
		Databases []string `json:"databases,omitempty"`
	}
	// CutoverBody starts a cutover.
	CutoverBody struct {
		// Databases are named as on the source; none means all of the activity.
		Databases []string `json:"databases,omitempty"`
		// Apply: it is confirmed as soon as every gate holds; otherwise a confirm is waited for.
		Apply bool `json:"apply,omitempty"`
		// UserTail: the tail-log backup is put on the share by you; absent is what the spec says.
		UserTail *bool `json:"userTail,omitempty"`
		// MaxPause gives the cutover up when the source was closed this long, as 90s or 5m; absent is what the spec says.
		MaxPause string `json:"maxPause,omitempty"`
	}
	// ConfirmBody confirms a cutover: the point of no return.
	ConfirmBody struct {
		// Databases are named as on the source; none means all of the activity.
		Databases []string `json:"databases,omitempty"`
		// LastFile names the last file to be restored, when you took the tail; absent is the newest one.
		LastFile string `json:"lastFile,omitempty"`
	}
	// HealthBody says that the service answers.
	HealthBody struct {
		Status string `json:"status"`
	}
)

// The parameters of lists.
var (
	afterParam = param{name: "after", kind: "integer", about: "the number behind which the list begins; 0 when absent"}
	limitParam = param{name: "limit", kind: "integer", about: "how many entries at most, 1 to 5000; 500 when absent"}
)

// onActivity makes a route that asks something of an activity.
func onActivity(word, id, about string, takes any, serve func(*call) error) route {
	return route{method: http.MethodPost, path: "/v1/activities/{activity}/" + word, role: Operator, id: id, about: about, takes: takes, gives: ledger.Status{},
		status: http.StatusAccepted, problems: map[int]string{http.StatusNotFound: "not-found", http.StatusConflict: "refused"}, serve: serve}
}

// routes is the table of the API.
func routes() []route {
	specProblems := map[int]string{http.StatusUnprocessableEntity: "spec-wrong", http.StatusServiceUnavailable: "hindrance", http.StatusGatewayTimeout: "time-over"}
	startProblems := map[int]string{http.StatusUnprocessableEntity: "spec-wrong", http.StatusConflict: "plan-blocked, spec-differs", http.StatusServiceUnavailable: "hindrance", http.StatusGatewayTimeout: "time-over"}
	unknown := map[int]string{http.StatusNotFound: "not-found"}
	return []route{
		{method: http.MethodGet, path: "/healthz", id: "health", about: "Tell that the service answers. Needs no token.", gives: HealthBody{}, status: http.StatusOK, serve: (*call).health},
		{method: http.MethodGet, path: "/v1/openapi.json", id: "document", about: "This document. Needs no token.", gives: map[string]any{}, status: http.StatusOK, serve: (*call).document},
		{method: http.MethodGet, path: "/v1/activities", role: Viewer, id: "listActivities", about: "List the activities.", gives: ActivitiesBody{}, status: http.StatusOK, serve: (*call).list},
		{method: http.MethodPost, path: "/v1/activities", role: Operator, id: "startActivity", takes: SpecBody{}, yaml: true, gives: ledger.Status{}, status: http.StatusCreated,
			about: "Plan, record and start an activity. The same spec again is success (200) and starts nothing twice; another spec of the same name is refused.",
			also:  map[int]string{http.StatusOK: "The activity was recorded before, with this spec."}, problems: startProblems, serve: (*call).start},
		{method: http.MethodPost, path: "/v1/plan", role: Operator, id: "plan", takes: SpecBody{}, yaml: true, gives: migrate.Plan{}, status: http.StatusOK, problems: specProblems,
			about: "Ask every side what a spec would do and what stands in its way. Nothing is changed; servers that the spec names are connected to.", serve: (*call).plan},
		{method: http.MethodGet, path: "/v1/activities/{activity}", role: Viewer, id: "showActivity", about: "Show an activity's databases and logins.", gives: ledger.Status{}, status: http.StatusOK,
			query: []param{{name: "files", kind: "boolean", about: "list the backup files too"},
				{name: "database", kind: "string", about: "show only this database; may be given more than once", many: true}},
			also: map[int]string{http.StatusNotModified: "It is what If-None-Match names."}, problems: unknown, serve: (*call).status},
		{method: http.MethodGet, path: "/v1/activities/{activity}/timeline", role: Viewer, id: "timeline", about: "What happened in an activity, oldest first.", gives: TimelineBody{}, status: http.StatusOK,
			query: []param{{name: "database", kind: "string", about: "only what concerns this database"}, afterParam, limitParam}, problems: unknown, serve: (*call).timeline},
		onActivity("cutover", "startCutover", "Start a cutover: stop the traffic first. Refused, with what lacks, while a gate of the start does not hold.", CutoverBody{}, (*call).cutover),
		onActivity("confirm", "confirmCutover", "Confirm a cutover: the point of no return. Refused while a gate does not hold.", ConfirmBody{}, (*call).confirm),
		onActivity("giveup", "giveUpCutover", "End a cutover before the point of no return; the source is opened again and the migration goes on.", DatabasesBody{}, (*call).giveUp),
		onActivity("cancel", "cancelActivity", "Give databases up: the restoring database is deleted on the target, and the source opened. Refused after the point of no return.", DatabasesBody{}, (*call).cancel),
		onActivity("retry", "retry", "Go on with databases that have failed, after their cause was mended.", DatabasesBody{}, (*call).retry),
		onActivity("accept-no-checksum", "acceptNoChecksum", "Take backups made without CHECKSUM from here on.", DatabasesBody{}, (*call).acceptNoChecksum),
		{method: http.MethodGet, path: "/v1/audit", role: Viewer, id: "audit", about: "Who changed what, from where, oldest first. Each line's hash is over the one before it.", gives: AuditBody{}, status: http.StatusOK,
			query: []param{afterParam, limitParam}, serve: (*call).audit},
		{method: http.MethodGet, path: "/metrics", role: Viewer, id: "metrics", about: "Metrics for Prometheus (docs/metrics.md).", status: http.StatusOK, text: "text/plain", open: (*call).onThisMachine, serve: (*call).metrics},
	}
}
