package hadr

import (
	"context"
	"iter"
	"math/bits"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/trust"
)

// Views are the catalog and dynamic management views of this package: sys.certificates, sys.symmetric_keys,
// sys.endpoints, sys.tcp_endpoints, sys.database_mirroring_endpoints, sys.availability_groups,
// sys.availability_replicas, sys.availability_databases_cluster, sys.dm_hadr_availability_group_states,
// sys.dm_hadr_availability_replica_states, sys.dm_hadr_database_replica_states, sys.dm_hadr_automatic_seeding,
// sys.dm_hadr_physical_seeding_stats, sys.dm_linkspan_certificates and sys.dm_linkspan_links.
func (m *Manager) Views() []rel.View {
	return []rel.View{
		m.viewCertificates(), m.viewLinkCertificates(), m.viewSymmetricKeys(), m.viewEndpoints(), m.viewTCPEndpoints(), m.viewMirroringEndpoints(),
		m.viewGroups(), m.viewReplicas(), m.viewClusterDatabases(), m.viewGroupStates(), m.viewReplicaStates(), m.viewDatabaseStates(),
		m.viewAutomaticSeeding(), m.viewPhysicalSeeding(), m.viewLinks(),
	}
}

// field is a column of a view and its value in a row.
type field[T any] struct {
	column sqlapi.Column
	value  func(*T) sqltype.Value
}

// view makes sys.<name> of rows and fields.
func view[T any](name string, rows func(ctx context.Context) ([]T, error), fields ...field[T]) rel.View {
	v := rel.View{Schema: "sys", Name: name}
	for _, f := range fields {
		v.Columns = append(v.Columns, f.column)
	}
	v.Rows = func(ctx context.Context, _ rel.Scope) iter.Seq2[[]sqltype.Value, error] {
		return func(yield func([]sqltype.Value, error) bool) {
			all, err := rows(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			row := make([]sqltype.Value, len(fields))
			for i := range all {
				for j, f := range fields {
					if row[j] = f.value(&all[i]); !row[j].Valid {
						row[j] = sqltype.NullOf(f.column.Type.Kind)
					}
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
	return v
}

// null is what a field gives for NULL of any type.
var null sqltype.Value

func column(name string, kind sqltype.Kind, length int) sqlapi.Column {
	return sqlapi.Column{Name: name, Type: sqltype.Type{Kind: kind, Len: length}, Nullable: true}
}

// text is an nvarchar column, textOr one that is NULL when it is empty.
func text[T any](name string, length int, f func(*T) string) field[T] {
	return field[T]{column(name, sqltype.NVarChar, length), func(t *T) sqltype.Value { return sqltype.NVarCharOf(f(t)) }}
}

func textOr[T any](name string, length int, f func(*T) string) field[T] {
	return field[T]{column(name, sqltype.NVarChar, length), func(t *T) sqltype.Value {
		if s := f(t); s != "" {
			return sqltype.NVarCharOf(s)
		}
		return null
	}}
}

func number[T any](name string, kind sqltype.Kind, f func(*T) int64) field[T] {
	return field[T]{column(name, kind, 0), func(t *T) sqltype.Value { return sqltype.IntOf(kind, f(t)) }}
}

func bit[T any](name string, f func(*T) bool) field[T] {
	return field[T]{column(name, sqltype.Bit, 0), func(t *T) sqltype.Value { return sqltype.BitOf(f(t)) }}
}

func guid[T any](name string, f func(*T) agcore.ID) field[T] {
	return field[T]{column(name, sqltype.UniqueIdentifier, 0), func(t *T) sqltype.Value { return idValue(f(t)) }}
}

func idValue(id agcore.ID) sqltype.Value {
	if id.IsZero() {
		return null
	}
	return sqltype.BytesOf(sqltype.UniqueIdentifier, id[:])
}

func when[T any](name string, f func(*T) time.Time) field[T] {
	return field[T]{column(name, sqltype.DateTime, 0), func(t *T) sqltype.Value { return trust.DateTime(f(t)) }}
}

func binary[T any](name string, length int, f func(*T) []byte) field[T] {
	return field[T]{column(name, sqltype.VarBinary, length), func(t *T) sqltype.Value { return sqltype.BytesOf(sqltype.VarBinary, f(t)) }}
}

// position is an LSN as numeric(25,0); zero is NULL.
func position[T any](name string, f func(*T) lsn.LSN) field[T] {
	c := sqlapi.Column{Name: name, Type: sqltype.Type{Kind: sqltype.Decimal, Prec: 25}, Nullable: true}
	return field[T]{c, func(t *T) sqltype.Value { return lsnValue(f(t)) }}
}

func lsnValue(l lsn.LSN) sqltype.Value {
	if l.IsZero() {
		return null
	}
	hi, lo := bits.Mul64(uint64(l.VLF), 1_000_000_000_000_000)
	lo, carry := bits.Add64(lo, uint64(l.Block)*100_000+uint64(l.Slot), 0)
	return sqltype.Value{K: sqltype.Decimal, Valid: true, Hi: int64(hi + carry), N: int64(lo)}
}

// maybe is a column of any kind whose value may be NULL.
func maybe[T any](name string, kind sqltype.Kind, length int, f func(*T) sqltype.Value) field[T] {
	return field[T]{column(name, kind, length), f}
}

// absent is a column that is always NULL here.
func absent[T any](name string, kind sqltype.Kind, length int) field[T] {
	return field[T]{column(name, kind, length), func(*T) sqltype.Value { return null }}
}

// coded is a pair of columns: a code and its description.
func coded[T any](name string, f func(*T) (code int64, desc string, ok bool)) []field[T] {
	return []field[T]{
		{column(name, sqltype.TinyInt, 0), func(t *T) sqltype.Value {
			if code, _, ok := f(t); ok {
				return sqltype.IntOf(sqltype.TinyInt, code)
			}
			return null
		}},
		{column(name+"_desc", sqltype.NVarChar, 60), func(t *T) sqltype.Value {
			if _, desc, ok := f(t); ok {
				return sqltype.NVarCharOf(desc)
			}
			return null
		}},
	}
}

// code is coded for a type whose values are the codes and spell the descriptions.
func code[T any, C interface {
	~uint8
	String() string
}](name string, f func(*T) C) []field[T] {
	return coded(name, func(t *T) (int64, string, bool) { c := f(t); return int64(c), c.String(), true })
}

// join puts fields and groups of fields in order.
func join[T any](groups ...[]field[T]) []field[T] {
	var out []field[T]
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

func one[T any](f ...field[T]) []field[T] { return f }
