package flow

import (
	"fmt"
	"strings"
)

// Document is the table as a page in Markdown: a diagram, the states, the transitions, the duties, the gates, the logins.
// Each of its lines comes from the table that Step walks.
func Document() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> INITIAL\n")
	drawn := map[string]bool{}
	for _, r := range rows {
		for _, from := range r.From {
			line := fmt.Sprintf("    %s --> %s: %s\n", from, r.To, label(r))
			if r.To != "" && !drawn[line] {
				drawn[line] = true
				b.WriteString(line)
			}
		}
	}
	b.WriteString("    COMPLETED --> [*]\n    CANCELLED --> [*]\n```\n\n### States\n\n| state | what happens | cancel leaves |\n|---|---|---|\n")
	for _, s := range States {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.State, s.Meaning, s.Cancel)
	}
	b.WriteString("\n### Transitions\n\nThe first line that fits is taken. What fits no line is refused when it was asked, and dropped when it was reported.\n\n" +
		"| in | when | if | then | noted |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", join(r.From), r.On, guards(r.If), dash(string(r.To)), dash(r.Does))
	}
	b.WriteString("\n### What is done in each state\n\n| in | while | effects |\n|---|---|---|\n")
	for _, d := range duties {
		name := ""
		if d.While != nil {
			name = d.While.Name
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", join(d.In), dash(name), join(d.Effects))
	}
	b.WriteString("\n### Gates of the cutover\n\n| gate | needed to |\n|---|---|\n")
	for _, g := range gates {
		need := "apply"
		if g.start {
			need = "start, apply"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", g.name, need)
	}
	b.WriteString("\n### Logins\n\nStages: " + strings.ReplaceAll(join(Stages), ", ", " → ") + ".\n\n| in | when | if | then |\n|---|---|---|---|\n")
	for _, r := range loginRows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", join(r.From), r.On, dash(r.If), r.To)
	}
	return b.String()
}

// label names a transition in the diagram.
func label(r Row) string {
	if r.On == always {
		return guards(r.If)
	}
	return string(r.On)
}

func guards(gs []*Guard) string {
	names := make([]string, len(gs))
	for i, g := range gs {
		names[i] = g.Name
	}
	return dash(strings.Join(names, "; "))
}

func join[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = string(x)
	}
	return strings.Join(out, ", ")
}

func dash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}
