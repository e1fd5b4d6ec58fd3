# make help lists the targets. Everything runs from a fresh clone with Go alone;
# what else a target needs is installed from Debian, as root, or named.

SHELL := /bin/bash
# Where a clone belongs to another user, git refuses to describe it and go build
# would fail; nothing here needs the stamp.
export GOFLAGS := $(or $(GOFLAGS),-buildvcs=false)

FUZZTIME ?= 30s
HARNESS := conformance/harness

.PHONY: help demo man test lint bench vaultd ceremony drills upgrade-test deploy-test postgres-for-tests browser fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

demo: ## run the whole nation on this machine
	go run ./cmd/hopnhat demo $(ARGS)

man: ## write the manual pages of all commands to artifacts/man
	go run ./cmd/manual artifacts/man

test: ## install what is missing, then lint and every test
	@bash $(HARNESS)/test.sh

lint: ## gofumpt, vet, staticcheck, govulncheck
	@bash $(HARNESS)/lint.sh

upgrade-test: ## run the release before and this program at once on one PostgreSQL database
	@bash $(HARNESS)/upgrade.sh

deploy-test: ## verify the systemd unit, do the steps of the Containerfile and run what comes out
	@bash $(HARNESS)/deploy.sh

bench: ## measure every route of a server of its own; ARGS='--json FILE' keeps the figures
	go run ./cmd/hopnhat bench $(ARGS)

vaultd: ## build the real Vault that the tests talk to (minutes, once)
	bash conformance/vaultd/build.sh

ceremony: ## rehearse docs/keys.md with a real Vault: roles, rotation, outage, revocation
	@bash $(HARNESS)/ceremony.sh

drills: ## all drills of conformance/harness/drills, or DRILLS='kill ...'; hours at their full size (cutoff: as root)
	@bash $(HARNESS)/drills.sh $(DRILLS)

postgres-for-tests: ## start a cluster for `go test`, print what to export
	@bash $(HARNESS)/install.sh >&2
	@url=$$(bash $(HARNESS)/postgres.sh start dev) && echo "export HOPNHAT_TEST_POSTGRES='$$url'"

browser: ## the citizen's and the auditor's journey in Chromium; screenshots in artifacts/
	@bash $(HARNESS)/install.sh
	@npm ci --prefix conformance/clients/node --ignore-scripts --no-audit --no-fund --loglevel=error
	HOPNHAT_TEST_PICTURES=1 go -C conformance/scenario test -count=1 -v -timeout 15m -run Journey .

fuzz: ## every fuzz target for FUZZTIME (30s)
	@bash $(HARNESS)/fuzz.sh $(FUZZTIME)

clean: ## stop the development cluster, delete what was built
	@bash $(HARNESS)/postgres.sh stop dev
	rm -rf .build artifacts
