package flow

import (
	"slices"
	"strings"
)

// LoginState is where a login stands.
type LoginState string

// The states of a login.
const (
	LoginNone       LoginState = "None"
	LoginInProgress LoginState = "InProgress"
	LoginFailed     LoginState = "Failed"
	LoginWarning    LoginState = "Warning"
	LoginCompleted  LoginState = "Completed"
	LoginSkipped    LoginState = "Skipped"
	LoginStopped    LoginState = "Stopped"
)

// Stage is what is done with a login, in this order.
type Stage string

// The stages. EstablishUserMapping and EstablishObjectPermissions need the databases open on the target: they wait for
// the cutover.
const (
	Initialize                 Stage = "Initialize"
	LoginMigration             Stage = "LoginMigration"
	EstablishUserMapping       Stage = "EstablishUserMapping"
	AssignRoleMembership       Stage = "AssignRoleMembership"
	AssignRoleOwnership        Stage = "AssignRoleOwnership"
	EstablishServerPermissions Stage = "EstablishServerPermissions"
	EstablishObjectPermissions Stage = "EstablishObjectPermissions"
	LoginDone                  Stage = "Completed"
)

// Stages lists the stages in their order.
var Stages = []Stage{Initialize, LoginMigration, EstablishUserMapping, AssignRoleMembership, AssignRoleOwnership, EstablishServerPermissions,
	EstablishObjectPermissions, LoginDone}

// needsDatabases are the stages that wait until the databases are open on the target.
var needsDatabases = []Stage{EstablishUserMapping, EstablishObjectPermissions}

// Login is one login of the source. Logins are items beside the databases: each goes its way alone, and one that fails
// holds up no other.
type Login struct {
	Name string `json:"name"`
	// Windows logins are not made: Detail says what to do.
	Windows bool       `json:"windows,omitempty"`
	State   LoginState `json:"state"`
	// Stage is the one that is to be done; Detail says what was found, why it failed, or the warnings.
	Stage  Stage  `json:"stage"`
	Detail string `json:"detail,omitempty"`
	// Warnings are what the stages that are done left out, each once. They stay when a later stage fails and goes on.
	Warnings []string `json:"warnings,omitempty"`
}

// LoginEventKind says what happened to a login.
type LoginEventKind string

// The events of a login. Stage tells which stage they are about; one of another stage changes nothing.
const (
	// LoginStart begins, and after LoginFailed or LoginStopped goes on with the stage that it stopped in; after LoginSkipped it
	// begins when the reason for that is gone.
	LoginStart LoginEventKind = "Start"
	// StageDone: Text, when there is one, are warnings, joined by "; ". StageFailed: Text says why and what to do.
	StageDone   LoginEventKind = "StageDone"
	StageFailed LoginEventKind = "StageFailed"
	// LoginSkip: it needs nothing, as Text says (sa, system logins, one that is on the target already).
	LoginSkip LoginEventKind = "Skip"
	LoginStop LoginEventKind = "Stop"
)

// LoginEvent is one thing that happened to a login.
type LoginEvent struct {
	Kind  LoginEventKind
	Stage Stage
	Text  string
}

// LoginRow is one transition of a login.
type LoginRow struct {
	From []LoginState
	On   LoginEventKind
	If   string
	To   LoginState
	ok   func(*Login, LoginEvent) bool
	do   func(*Login, LoginEvent)
}

// windowsDetail is what to do about a Windows login.
const windowsDetail = "a Windows login is not copied: on a managed instance make it with CREATE LOGIN … FROM EXTERNAL PROVIDER, or from Windows with federated users"

// loginRows is the table of a login.
var loginRows = []LoginRow{
	{[]LoginState{LoginNone}, LoginStart, "Windows login", LoginSkipped, func(l *Login, _ LoginEvent) bool { return l.Windows }, func(l *Login, _ LoginEvent) { l.Detail = windowsDetail }},
	{[]LoginState{LoginNone, LoginFailed, LoginStopped, LoginSkipped}, LoginStart, "no Windows login", LoginInProgress, func(l *Login, _ LoginEvent) bool { return !l.Windows },
		func(l *Login, _ LoginEvent) { l.Detail = strings.Join(l.Warnings, "; ") }},
	{[]LoginState{LoginNone, LoginInProgress}, LoginSkip, "", LoginSkipped, nil, func(l *Login, e LoginEvent) { l.Detail = e.Text }},
	{[]LoginState{LoginInProgress}, StageDone, "last stage, warned", LoginWarning, func(l *Login, e LoginEvent) bool { return last(l, e) && (e.Text != "" || len(l.Warnings) > 0) }, done},
	{[]LoginState{LoginInProgress}, StageDone, "last stage", LoginCompleted, last, done},
	{[]LoginState{LoginInProgress}, StageDone, "this stage", LoginInProgress, here, done},
	{[]LoginState{LoginInProgress}, StageFailed, "this stage", LoginFailed, here, func(l *Login, e LoginEvent) { l.Detail = e.Text }},
	{[]LoginState{LoginNone, LoginInProgress, LoginFailed}, LoginStop, "", LoginStopped, nil, func(*Login, LoginEvent) {}},
}

func here(l *Login, e LoginEvent) bool { return l.Stage == e.Stage }

func last(l *Login, e LoginEvent) bool { return here(l, e) && e.Stage == EstablishObjectPermissions }

// done goes to the next stage and keeps the warnings, each once.
func done(l *Login, e LoginEvent) {
	l.Stage = Stages[slices.Index(Stages, l.Stage)+1]
	for w := range strings.SplitSeq(e.Text, "; ") {
		if w != "" && !slices.Contains(l.Warnings, w) {
			l.Warnings = append(slices.Clone(l.Warnings), w)
		}
	}
	l.Detail = strings.Join(l.Warnings, "; ")
}

// NewLogin is a login that was found on the source.
func NewLogin(name string, windows bool) *Login {
	return &Login{Name: name, Windows: windows, State: LoginNone, Stage: Initialize}
}

// LoginTable is a copy of the transitions of a login.
func LoginTable() []LoginRow { return slices.Clone(loginRows) }

// Step takes an event in. One that does not fit changes nothing: it came late, or twice.
func (l *Login) Step(e LoginEvent) {
	for _, r := range loginRows {
		if r.On == e.Kind && slices.Contains(r.From, l.State) && (r.ok == nil || r.ok(l, e)) {
			r.do(l, e)
			l.State = r.To
			return
		}
	}
}

// Due is the stage that can be done now; false when there is none. open tells whether the databases are open on the target.
func (l *Login) Due(open bool) (Stage, bool) {
	if l.State != LoginInProgress || !open && slices.Contains(needsDatabases, l.Stage) {
		return "", false
	}
	return l.Stage, true
}
