package hadr

import (
	"context"
	"time"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/trust"
)

func (m *Manager) viewCertificates() rel.View {
	type c = *trust.Certificate
	return view("certificates", func(context.Context) ([]c, error) { return m.opts.Keeper.Certificates(), nil },
		text("name", 128, func(c *c) string { return (*c).Name }),
		number("certificate_id", sqltype.Int, func(c *c) int64 { return int64((*c).ID) }),
		number("principal_id", sqltype.Int, func(*c) int64 { return 1 }),
		maybe("pvt_key_encryption_type", sqltype.Char, 2, func(c *c) sqltype.Value { return sqltype.StringOf(sqltype.Char, string((*c).Encryption())) }),
		text("pvt_key_encryption_type_desc", 60, func(c *c) string { return (*c).Encryption().Desc() }),
		bit("is_active_for_begin_dialog", func(c *c) bool { return (*c).ActiveForBeginDialog }),
		text("issuer_name", 442, func(c *c) string { return (*c).Issuer() }),
		text("cert_serial_number", 64, func(c *c) string { return (*c).Serial() }),
		binary("sid", 85, func(c *c) []byte { return (*c).SID() }),
		text("string_sid", 128, func(c *c) string { return (*c).StringSID() }),
		text("subject", 4000, func(c *c) string { return (*c).Subject() }),
		when("expiry_date", func(c *c) time.Time { return (*c).Expiry() }),
		when("start_date", func(c *c) time.Time { return (*c).Start() }),
		binary("thumbprint", 32, func(c *c) []byte { return (*c).Thumbprint() }),
		absent[c]("attested_by", sqltype.NVarChar, 260),
		absent[c]("pvt_key_last_backup_date", sqltype.DateTime, 0),
		number("key_length", sqltype.Int, func(c *c) int64 { return int64((*c).KeyLength()) }),
	)
}

// The rows of sys.symmetric_keys in master.
const (
	masterKeyID  = 101
	serviceKeyID = 102
)

func (m *Manager) viewSymmetricKeys() rel.View {
	type k struct {
		name              string
		id                int64
		created, modified time.Time
		guid              []byte
	}
	rows := func(context.Context) ([]k, error) {
		var out []k
		if mk := m.opts.Keeper.MasterKey(); mk != nil {
			out = append(out, k{"##MS_DatabaseMasterKey##", masterKeyID, mk.Created, mk.Modified, mk.GUID})
		}
		return append(out, k{name: "##MS_ServiceMasterKey##", id: serviceKeyID}), nil
	}
	return view("symmetric_keys", rows,
		text("name", 128, func(k *k) string { return k.name }),
		number("principal_id", sqltype.Int, func(*k) int64 { return 1 }),
		number("symmetric_key_id", sqltype.Int, func(k *k) int64 { return k.id }),
		number("key_length", sqltype.Int, func(*k) int64 { return 256 }),
		maybe("key_algorithm", sqltype.Char, 2, func(*k) sqltype.Value { return sqltype.StringOf(sqltype.Char, "A3") }),
		text("algorithm_desc", 60, func(*k) string { return "AES_256" }),
		when("create_date", func(k *k) time.Time { return k.created }),
		when("modify_date", func(k *k) time.Time { return k.modified }),
		maybe("key_guid", sqltype.UniqueIdentifier, 0, func(k *k) sqltype.Value {
			if len(k.guid) != 16 {
				return null
			}
			return sqltype.BytesOf(sqltype.UniqueIdentifier, k.guid)
		}),
		absent[k]("key_thumbprint", sqltype.VarBinary, 32),
		absent[k]("provider_type", sqltype.NVarChar, 120),
		absent[k]("cryptographic_provider_guid", sqltype.UniqueIdentifier, 0),
		absent[k]("cryptographic_provider_algid", sqltype.VarBinary, 32),
	)
}

// endpointRow is a row of the endpoint views.
type endpointRow struct {
	EndpointInfo
	tsql bool
}

// tsqlRow is the endpoint that TDS clients come by.
var tsqlRow = endpointRow{EndpointInfo: EndpointInfo{ID: 4, Name: "TSQL Default TCP"}, tsql: true}

func (m *Manager) endpointRows(tsql bool) func(context.Context) ([]endpointRow, error) {
	return func(context.Context) ([]endpointRow, error) {
		var out []endpointRow
		if tsql {
			out = append(out, tsqlRow)
		}
		if e, ok := m.Endpoint(); ok {
			out = append(out, endpointRow{EndpointInfo: e})
		}
		return out, nil
	}
}

// String is the views' description.
func (s EndpointState) String() string {
	return [...]string{"STARTED", "STOPPED", "DISABLED", "UNKNOWN"}[min(s, 3)]
}

// String is the view's description.
func (r EndpointRole) String() string {
	return [...]string{"NONE", "PARTNER", "WITNESS", "ALL", "UNKNOWN"}[min(r, 4)]
}

// String is the view's description.
func (a AuthOrder) String() string {
	return [...]string{"", "NTLM", "KERBEROS", "NEGOTIATE", "CERTIFICATE", "NTLM, CERTIFICATE", "KERBEROS, CERTIFICATE", "NEGOTIATE, CERTIFICATE",
		"CERTIFICATE, NTLM", "CERTIFICATE, KERBEROS", "CERTIFICATE, NEGOTIATE", "UNKNOWN"}[min(a, 11)]
}

// String is the view's description.
func (e Encryption) String() string {
	return [...]string{"NONE", "RC4", "AES", "NONE, RC4", "NONE, AES", "RC4, AES", "AES, RC4", "NONE, RC4, AES", "NONE, AES, RC4", "UNKNOWN"}[min(e, 9)]
}

// enabled reports whether connections may be encrypted.
func (e Encryption) enabled() bool { return e != EncryptNone }

func endpointFields() []field[endpointRow] {
	type r = endpointRow
	return join(
		one(text("name", 128, func(e *r) string { return e.Name }),
			number("endpoint_id", sqltype.Int, func(e *r) int64 { return int64(e.ID) }),
			number("principal_id", sqltype.Int, func(*r) int64 { return 1 })),
		coded("protocol", func(*r) (int64, string, bool) { return 2, "TCP", true }),
		coded("type", func(e *r) (int64, string, bool) {
			if e.tsql {
				return 2, "TSQL", true
			}
			return 4, "DATABASE_MIRRORING", true
		}),
		code("state", func(e *r) EndpointState { return e.State }),
		one(bit("is_admin_endpoint", func(*r) bool { return false })),
	)
}

func (m *Manager) viewEndpoints() rel.View {
	return view("endpoints", m.endpointRows(true), endpointFields()...)
}

func (m *Manager) viewTCPEndpoints() rel.View {
	type r = endpointRow
	return view("tcp_endpoints", m.endpointRows(true), join(endpointFields(), one(
		number("port", sqltype.Int, func(e *r) int64 { return int64(e.Port) }),
		bit("is_dynamic_port", func(*r) bool { return false }),
		textOr("ip_address", 45, func(e *r) string {
			if !e.Address.IsValid() {
				return ""
			}
			return e.Address.String()
		})))...)
}

func (m *Manager) viewMirroringEndpoints() rel.View {
	type r = endpointRow
	return view("database_mirroring_endpoints", m.endpointRows(false), join(endpointFields(),
		code("role", func(e *r) EndpointRole { return e.Role }),
		one(bit("is_encryption_enabled", func(e *r) bool { return e.Encryption.enabled() })),
		code("connection_auth", func(e *r) AuthOrder { return e.Auth }),
		one(number("certificate_id", sqltype.Int, func(e *r) int64 {
			if c := m.opts.Keeper.ByName(e.Certificate); c != nil {
				return int64(c.ID)
			}
			return 0
		})),
		code("encryption_algorithm", func(e *r) Encryption { return e.Encryption }))...)
}
