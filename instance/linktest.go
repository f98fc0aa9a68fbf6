package instance

import (
	"context"

	"linkspan/hadr"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/exec"
)

// testLink is sp_linkspan_test_link: this instance connects to the other side of a link, or to a URL, and reports each
// stage. Result set: stage, result (OK or FAILED), number, detail, elapsed_ms; the return value is 1 when a stage failed.
func (in *Instance) testLink() *exec.Procedure {
	return &exec.Procedure{
		Name:   "sp_linkspan_test_link",
		Params: []exec.Param{{Name: "@link", Type: tSysname, Optional: true}, {Name: "@url", Type: nvarchar(256), Optional: true}},
		Run: func(ctx context.Context, _ exec.Caller, args []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
			what := hadr.LinkTest{}
			if args[0].Valid {
				what.Link = args[0].S
			}
			if args[1].Valid {
				what.URL = args[1].S
			}
			if (what.Link == "") == (what.URL == "") {
				return 1, sqlerr.New(201, "sp_linkspan_test_link", "@link")
			}
			stages, err := in.hadr.TestLink(ctx, what)
			if err != nil {
				return 1, err
			}
			return sendStages(out, stages)
		},
	}
}

func sendStages(out sqlapi.ResultSink, stages []hadr.LinkStage) (int32, error) {
	err := out.Columns([]sqlapi.Column{key("stage", nvarchar(30)), key("result", nvarchar(10)), col("number", tInt), col("detail", nvarchar(4000)),
		key("elapsed_ms", tBigInt)})
	returned, n := int32(0), int64(0)
	for _, s := range stages {
		if err != nil {
			break
		}
		result, number := "OK", vNull(tInt)
		if !s.OK {
			result, returned = "FAILED", 1
		}
		if s.Number != 0 {
			number = vInt(int(s.Number))
		}
		err = out.Row([]sqltype.Value{vText(s.Stage), vText(result), number, vText(s.Detail), vBig(s.Elapsed.Milliseconds())})
		n++
	}
	return returned, endRows(out, err, n)
}
