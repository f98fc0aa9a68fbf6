package instance

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"linkspan/hadr"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// createEndpoint is CREATE ENDPOINT and ALTER ENDPOINT.
func (in *Instance) createEndpoint(ctx context.Context, s *ast.CreateEndpoint, out sqlapi.ResultSink) error {
	spec, err := endpointSpec(s)
	if err != nil {
		return err
	}
	if s.Alter {
		warnings, err := in.hadr.AlterEndpoint(ctx, spec)
		if err != nil {
			return withReason(err)
		}
		return send(out, warnings)
	}
	return withReason(in.hadr.CreateEndpoint(ctx, spec))
}

// withReason adds to 28055, which names every condition a certificate has to meet, the one that it does not.
func withReason(err error) error {
	e := sqlerr.From(err)
	if e == nil || e.Number != 28055 || e.Cause == nil {
		return err
	}
	reason := e.Cause.Error()
	var cause *sqlerr.Error
	if errors.As(e.Cause, &cause) {
		reason = cause.Message
		if cause.Number == e.Number {
			reason = "it has no private key"
		}
	}
	said := *e
	said.Message += " Reason: " + strings.TrimSuffix(reason, ".") + "."
	return &said
}

func endpointSpec(s *ast.CreateEndpoint) (hadr.EndpointSpec, error) {
	spec := hadr.EndpointSpec{Name: s.Name}
	if s.Protocol != "" && s.Protocol != "TCP" {
		return spec, unsupported("an endpoint AS "+s.Protocol, "use AS TCP")
	}
	if s.Payload != "" && s.Payload != "DATABASE_MIRRORING" {
		return spec, unsupported("an endpoint FOR "+s.Payload, "use FOR DATABASE_MIRRORING")
	}
	if s.State != "" {
		state := map[string]hadr.EndpointState{"STARTED": hadr.EndpointStarted, "STOPPED": hadr.EndpointStopped, "DISABLED": hadr.EndpointDisabled}[s.State]
		spec.State = &state
	}
	if s.TCP != nil {
		spec.Port = s.TCP.Port
		if err := listenerIP(s.TCP.IP, &spec); err != nil {
			return spec, err
		}
	}
	if s.Mirroring != nil {
		mirroringSpec(s.Mirroring, &spec)
	}
	return spec, nil
}

func listenerIP(text string, spec *hadr.EndpointSpec) error {
	if text == "" {
		return nil
	}
	var ip netip.Addr
	if text != "ALL" {
		var err error
		if ip, err = netip.ParseAddr(text); err != nil {
			return sqlerr.New(102, text)
		}
	}
	spec.Address = &ip
	return nil
}

func mirroringSpec(m *ast.EndpointMirroring, spec *hadr.EndpointSpec) {
	if m.Role != "" {
		role := map[string]hadr.EndpointRole{"PARTNER": hadr.RolePartner, "WITNESS": hadr.RoleWitness, "ALL": hadr.RoleAll}[m.Role]
		spec.Role = &role
	}
	if len(m.Authentication) > 0 {
		auth := authOrder(m.Authentication)
		spec.Auth = &auth
		for _, a := range m.Authentication {
			if a.Kind == "CERTIFICATE" {
				spec.Certificate = a.Certificate
			}
		}
	}
	if m.Encryption != "" {
		e := encryption(m.Encryption, m.Algorithms)
		spec.Encryption = &e
	}
}

// authOrder numbers a list of ways to authenticate as sys.database_mirroring_endpoints does.
func authOrder(ways []ast.EndpointAuth) hadr.AuthOrder {
	windows := map[string]hadr.AuthOrder{"NTLM": hadr.AuthNTLM, "KERBEROS": hadr.AuthKerberos, "NEGOTIATE": hadr.AuthNegotiate, "": hadr.AuthNegotiate}
	if len(ways) == 1 {
		if ways[0].Kind == "CERTIFICATE" {
			return hadr.AuthCertificate
		}
		return windows[ways[0].Windows]
	}
	if ways[0].Kind == "CERTIFICATE" { // 8 to 10: the certificate first
		return windows[ways[1].Windows] + hadr.AuthCertificateNTLM - hadr.AuthNTLM
	}
	return windows[ways[0].Windows] + hadr.AuthNTLMCertificate - hadr.AuthNTLM
}

// encryption numbers ENCRYPTION … ALGORITHM as sys.database_mirroring_endpoints does.
func encryption(mode string, algorithms []string) hadr.Encryption {
	if mode == "DISABLED" {
		return hadr.EncryptNone
	}
	order := "AES" // the default since SQL Server 2016
	if len(algorithms) > 0 {
		order = algorithms[0]
	}
	if len(algorithms) > 1 {
		order += " " + algorithms[1]
	}
	required := map[string]hadr.Encryption{"AES": hadr.EncryptAES, "RC4": hadr.EncryptRC4, "RC4 AES": hadr.EncryptRC4AES, "AES RC4": hadr.EncryptAESRC4}
	supported := map[string]hadr.Encryption{"AES": hadr.EncryptNoneAES, "RC4": hadr.EncryptNoneRC4, "RC4 AES": hadr.EncryptNoneRC4AES, "AES RC4": hadr.EncryptNoneAESRC4}
	if mode == "SUPPORTED" {
		return supported[order]
	}
	return required[order]
}
