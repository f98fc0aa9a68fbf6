package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/startstop"
	"linkspan/migrate"
	"linkspan/web"
)

// MigrationService is migrations by backups as a service: the engine on a state folder, and its API.
type MigrationService struct {
	config ServeConfig
	log    *slog.Logger
	group  *startstop.Group

	service *migrate.Service
	api     *web.Server
	ready   ServeReady
}

// ServeReady is what a running service answers on; "linkspan serve --json" prints it.
type ServeReady struct {
	URL   string `json:"url"`
	State string `json:"state"`
	// CA is the file with the authority to trust; "" when the certificate was given.
	CA string `json:"ca,omitempty"`
	// Tokens is the file with the tokens' hashes; OperatorToken one with an operator's token, when this start made it.
	Tokens        string `json:"tokens"`
	OperatorToken string `json:"operatorToken,omitempty"`
	// Engaged is false while another process works on the state folder: this one takes over when that ends.
	Engaged bool `json:"engaged"`
}

// StartService opens the state folder, binds the port and begins to work. What was started is stopped again on an error.
func StartService(ctx context.Context, c ServeConfig, log *slog.Logger) (*MigrationService, error) {
	c.fillDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &MigrationService{config: c, log: log, group: startstop.New(context.WithoutCancel(ctx))}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *MigrationService) start(ctx context.Context) error {
	c := s.config
	for _, dir := range []string{c.State, c.Specs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	made, err := firstToken(c.Tokens)
	if err != nil {
		return err
	}
	tokens, err := web.OpenTokens(fsx.OS{}, c.Tokens, clock.System)
	if err != nil {
		return err
	}
	certificate, ca, err := c.certificates()
	if err != nil {
		return err
	}
	if s.service, err = migrate.Open(ctx, migrate.Options{State: c.State, Env: c.environment(s.log), Reports: c.Reports, Log: s.log.With("component", "migrate")}); err != nil {
		return err
	}
	if s.api, err = web.New(web.Options{Service: s.service, Tokens: tokens, Certificate: certificate, OpenMetrics: c.MetricsOnLoopback, Log: s.log.With("component", "api"),
		Folders: web.Folders{Base: c.Specs, Secrets: c.SecretFolders, Data: c.DataFolders}}); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API on %s: %w", c.Listen, err)
	}
	s.group.Go(func(context.Context) {
		if err := s.api.Serve(l); err != nil {
			s.log.Error("API ended", "reason", err)
		}
	})
	s.ready = ServeReady{URL: "https://" + c.shownAddress(l.Addr()), State: c.State, CA: ca, Tokens: c.Tokens, OperatorToken: made}
	s.ready.Engaged, err = s.engage(ctx)
	return err
}

// engage begins to work. While another process does, it is tried again.
func (s *MigrationService) engage(ctx context.Context) (bool, error) {
	err := s.service.Engage(ctx)
	if err == nil || !errors.Is(err, migrate.ErrRunning) {
		return err == nil, err
	}
	s.log.Warn("another process works on the state folder; it is taken over when that ends", "state", s.config.State)
	s.group.Go(func(ctx context.Context) {
		for errors.Is(err, migrate.ErrRunning) {
			again, stop := clock.System.After(engageEvery)
			select {
			case <-again:
			case <-ctx.Done():
				stop()
				return
			}
			err = s.service.Engage(ctx)
		}
		if err != nil {
			s.log.Error("the state folder cannot be worked on", "reason", err)
			return
		}
		s.log.Info("the state folder is worked on", "state", s.config.State)
	})
	return false, nil
}

// environment is where the engine looks for secrets besides the files that specs name.
func (c *ServeConfig) environment(log *slog.Logger) func(string) string {
	if c.SecretsFromEnvironment {
		return os.Getenv
	}
	for _, name := range []string{migrate.SourcePasswordVar, migrate.TargetPasswordVar, migrate.SharePasswordVar, migrate.StorageKeyVar, migrate.StorageSASVar, migrate.TargetSASVar, migrate.ClientSecretVar} {
		if os.Getenv(name) != "" {
			log.Warn("a secret in the environment is not used: secretsFromEnvironment is not set", "variable", name)
		}
	}
	return func(string) string { return "" }
}

// Ready tells where the service answers.
func (s *MigrationService) Ready() ServeReady { return s.ready }

// Stop closes the API, then the engine: what runs is cut short and goes on at the next start. Idempotent.
func (s *MigrationService) Stop() error {
	var errs []error
	if s.api != nil {
		errs = append(errs, s.api.Close())
	}
	s.group.Stop()
	if s.service != nil {
		errs = append(errs, s.service.Close())
	}
	return errors.Join(errs...)
}

// firstToken makes a tokens' file with one operator when there is none, and tells the file with the token.
func firstToken(file string) (made string, err error) {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	secret := web.NewSecret()
	made = filepath.Join(filepath.Dir(file), operatorTokenFile)
	if err := writeSecret(made, []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("write the operator's token: %w", err)
	}
	return made, writeTokens(file, []web.Token{{Name: "operator", Role: web.Operator, Hash: web.HashSecret(secret), Created: now().UTC()}})
}

// operatorTokenFile holds the token of the first operator, beside the tokens' file.
const operatorTokenFile = "operator-token"
