package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"linkspan/metrics"
)

// MetricsTokenVar is the environment variable with the bearer token of the metrics, in place of a file.
const MetricsTokenVar = "LINKSPAN_METRICS_TOKEN"

// MetricsConfig describes the port at which Prometheus reads metrics.
type MetricsConfig struct {
	// Listen is "host:port"; port 0 picks a free one. An address that is not loopback needs a token.
	Listen string `yaml:"listen"`
	// TokenFile is the file, mode 0600, with the bearer token that readers must send; LINKSPAN_METRICS_TOKEN wins.
	TokenFile string `yaml:"tokenFile"`
	// Token is the token, in place of both; never in a file.
	Token string `yaml:"-"`
}

// minToken is the length of the shortest token taken.
const minToken = 16

func (m *MetricsConfig) fillDefaults() {
	setDefault(&m.Listen, "127.0.0.1:9464")
}

func (m *MetricsConfig) validate() (problems []error) {
	host, _, err := net.SplitHostPort(m.Listen)
	if err != nil {
		return []error{fmt.Errorf("metrics: listen: %w", err)}
	}
	if !isLoopback(host) && m.Token == "" && m.TokenFile == "" && os.Getenv(MetricsTokenVar) == "" {
		problems = append(problems, fmt.Errorf("metrics: listen: %s is not loopback, and there is no token: give tokenFile or %s, or listen on 127.0.0.1", m.Listen, MetricsTokenVar))
	}
	return problems
}

// isLoopback reports whether only this machine reaches a host; a name other than localhost may be anything.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// token finds the token; "" when none is asked for.
func (m *MetricsConfig) token() (string, error) {
	t := m.Token
	if t == "" {
		t = os.Getenv(MetricsTokenVar)
	}
	if t == "" && m.TokenFile != "" {
		if err := checkPrivate(m.TokenFile); err != nil {
			return "", fmt.Errorf("metrics token: %w", err)
		}
		b, err := os.ReadFile(m.TokenFile)
		if err != nil {
			return "", fmt.Errorf("metrics token: %w", err)
		}
		if t = strings.TrimSpace(string(b)); t == "" {
			return "", fmt.Errorf("metrics token: %s is empty", m.TokenFile)
		}
	}
	if t != "" && len(t) < minToken {
		return "", fmt.Errorf("metrics token: it has %d characters, fewer than %d", len(t), minToken)
	}
	return t, nil
}

// Times of the metrics' port.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	stopTimeout   = 5 * time.Second
)

func (d *Daemon) startMetrics(ctx context.Context) error {
	c := d.config.Metrics
	token, err := c.token()
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for metrics on %s: %w", c.Listen, err)
	}
	log := d.log.With("component", "metrics")
	collector := metrics.New(metrics.Options{Instance: d.config.Name, Views: d.instance, Log: log})
	d.metrics = &http.Server{Handler: metrics.Handler(collector, token), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10}
	d.metricsURL = "http://" + l.Addr().String() + metrics.Path
	server := d.metrics
	d.group.Go(func(context.Context) {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics ended", "reason", err)
		}
	})
	return nil
}

// stopMetrics ends the port before the instance: a scrape that runs is waited for, but not for long.
func (d *Daemon) stopMetrics() error {
	if d.metrics == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := d.metrics.Shutdown(ctx); err != nil {
		return d.metrics.Close()
	}
	return nil
}
