# `make run` and `make test` work on a fresh Debian machine with Node >= 20, git and make; see README.md.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check interop soak bench acceptance docs clean

# Node 24 and the tools come from node_modules; the machine's own Node only starts the installation.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
prepare := sh deploy/development/prepare.sh
development := node_modules/.bin/node deploy/development/src/main.ts

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start everything, with a first device; Ctrl-C stops it
	@$(prepare) run
	@exec $(development) run

test: ## set up and run every check: types, lint, layers, unit, integration, end to end, foreign peers, faults
	@$(prepare) test
	@$(development) test

check: ## types, lint, layers and generated docs only
	@$(prepare) run
	@$(development) check

interop: ## the foreign peers: openssl, gnutls, wolfSSL, pion, libcoap, node-coap; prints what each came to
	@$(prepare) interop
	@$(development) interop

soak: ## the faults for an hour: lossy networks, floods, kills; figures go to docs/reliability.md by hand
	@$(prepare) test
	@$(development) soak

bench: ## measure (SALLYPORT_BENCH=transport, fleet, http, audit or events: one part); figures go to docs/benchmarks.md by hand, with date and command
	@$(prepare) bench
	@$(development) bench

acceptance: ## the numbered checks: number, tests, pass, partial or open
	@$(prepare) test
	@$(development) acceptance

docs: ## write the generated pages: errors, configuration, conformance, OpenAPI
	@$(prepare) run
	@$(development) docs

clean: ## delete what runs wrote (a CA among it); asks first
	@sh deploy/development/clean.sh
