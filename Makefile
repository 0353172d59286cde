# Each target is one script, which can be read and run by itself.
.PHONY: help demo demo-host clean-demo build image generate fmt lint unit chart test

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: ## The main job end to end, on a real cluster on this machine
	@deploy/demo/cluster

demo-host: ## The same tool without a cluster
	@deploy/demo/host

clean-demo: ## Take down what the demos have left running
	@deploy/demo/clean

build: ## The static release binary
	@deploy/build

image: build ## The image, as an OCI archive
	@deploy/image target/backstay-image.tar

generate: ## The CRD, the chart's copy of it, and the plain manifests
	@deploy/generate

fmt: ## Format the code
	cargo fmt

lint: ## Format, clippy, shell scripts, licences: warnings are errors
	@tests/run lint

unit: ## All tests that need no service
	@tests/run unit

chart: ## Helm lint, schema, rights, manifests, alerts
	@tests/run chart

test: ## Everything, from formatting to the cluster
	@tests/run all
