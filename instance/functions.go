package instance

import (
	"context"
	"fmt"
	"strings"

	"linkspan/sqltype"
	"linkspan/tsql/exec"
)

// functions answers the functions about the server (exec.Functions); those about the catalog are the catalog's.
type functions struct{ in *Instance }

// hostFunction is one of them: args have the types of sqlfn's host table. A NULL result needs no kind.
type hostFunction func(in *Instance, c exec.Caller, args []sqltype.Value) sqltype.Value

var null sqltype.Value

// hostTable are the functions by name.
var hostTable = map[string]hostFunction{
	"SERVERPROPERTY": func(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value { return in.serverProperty(a[0].S) },
	"DATABASEPROPERTYEX": func(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value {
		return in.databaseProperty(a[0].S, a[1].S)
	},
	"CERT_ID":            certID,
	"CERTENCODED":        certEncoded,
	"CERTPROPERTY":       certProperty,
	"DB_ID":              dbID,
	"DB_NAME":            dbName,
	"ORIGINAL_DB_NAME":   func(_ *Instance, c exec.Caller, _ []sqltype.Value) sqltype.Value { return vText(c.Login.Database) },
	"CONNECTIONPROPERTY": connectionProperty,
	"FN_HADR_IS_PRIMARY_REPLICA": func(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value {
		d, err := in.Find(a[0].S)
		if err != nil {
			return null
		}
		return vBit(!d.isReplica())
	},
	"FN_HADR_BACKUP_IS_PREFERRED_REPLICA": func(*Instance, exec.Caller, []sqltype.Value) sqltype.Value { return vBit(true) },
}

// Function implements exec.Functions.
func (f functions) Function(ctx context.Context, c exec.Caller, name string, args []sqltype.Value) (sqltype.Value, error) {
	if fn, ok := hostTable[name]; ok {
		return fn(f.in, c, args), nil
	}
	if fn, ok := securityTable[name]; ok {
		return fn(whoAsks{ctx, f.in, c, f.in.tokenOf(c)}, args), nil
	}
	return f.in.catalogFunction(ctx, c, name, args)
}

func certID(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value {
	if c := in.keeper.ByName(a[0].S); c != nil {
		return vInt(c.ID)
	}
	return null
}

func certEncoded(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value {
	if c := in.keeper.ByID(int(a[0].N)); c != nil && a[0].Valid {
		return sqltype.BytesOf(sqltype.VarBinary, c.DER)
	}
	return null
}

func certProperty(in *Instance, _ exec.Caller, a []sqltype.Value) sqltype.Value {
	c := in.keeper.ByID(int(a[0].N))
	if c == nil || !a[0].Valid {
		return null
	}
	return asText(c.Property(a[1].S))
}

// asText is a value as the nvarchar that stands for sql_variant.
func asText(v sqltype.Value) sqltype.Value {
	if v.IsNull() || v.K == sqltype.NVarChar {
		return v
	}
	if v.K.IsBinary() {
		return vText(fmt.Sprintf("0x%X", v.S))
	}
	t, err := sqltype.Convert(v, sqltype.Type{Kind: v.K, Len: len(v.S), Prec: 38}, nvarchar(4000), 121)
	if err != nil {
		return null
	}
	return t
}

func dbID(in *Instance, c exec.Caller, a []sqltype.Value) sqltype.Value {
	if len(a) == 0 {
		return sqltype.IntOf(sqltype.SmallInt, int64(c.DatabaseID))
	}
	if d, err := in.Find(a[0].S); err == nil {
		return sqltype.IntOf(sqltype.SmallInt, int64(d.ID()))
	}
	return null
}

func dbName(in *Instance, c exec.Caller, a []sqltype.Value) sqltype.Value {
	if len(a) == 0 {
		return vText(c.Database)
	}
	if d := in.byID(int(a[0].N)); d != nil && a[0].Valid {
		return vText(d.Name())
	}
	return null
}

func connectionProperty(_ *Instance, c exec.Caller, a []sqltype.Value) sqltype.Value {
	switch strings.ToLower(a[0].S) {
	case "net_transport":
		return vText("TCP")
	case "protocol_type":
		return vText("TSQL")
	case "auth_scheme":
		return vText("SQL")
	case "client_net_address":
		return vText(c.Login.Remote)
	default:
		return null
	}
}

// catalogFunction answers the functions about objects that the session did not find in its own database: there is no
// such object, or it lies in a database the session is not in.
func (in *Instance) catalogFunction(_ context.Context, _ exec.Caller, _ string, _ []sqltype.Value) (sqltype.Value, error) {
	return null, nil
}
