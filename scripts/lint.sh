#!/usr/bin/env bash
# What a reviewer should not have to say. Tools are pinned and built from the module proxy (the first run takes minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@v1.1.4

echo "== gofmt"
unformatted=$(git ls-files '*.go' | xargs -r gofmt -s -l)
if [ -n "$unformatted" ]; then
  echo "not formatted (gofmt -s -w):" >&2
  echo "$unformatted" >&2
  exit 1
fi
echo "== go vet, also of what build tags bring in"
go vet ./...
go vet -tags="clockhook,diehook,$(sed -n 's/^\/\/go:build \(sabotage_.*\)/\1/p' internal/sabotage/*.go | paste -sd, -)" ./...
echo "== ladder, source and page rules"
go test -count=1 ./internal/lint
echo "== staticcheck"
go run "$STATICCHECK" ./...
echo "== golangci-lint"
go run "$GOLANGCI" run ./...
if curl -sfI --max-time 5 https://vuln.go.dev/index/modules.json >/dev/null; then
  echo "== govulncheck"
  go run "$GOVULNCHECK" ./...
else
  echo "== govulncheck: NOT RUN, its database (vuln.go.dev) cannot be reached from here" >&2
fi
for target in linux/arm64 darwin/arm64 windows/amd64; do
  echo "== build for $target"
  GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go build -o /dev/null ./...
done
