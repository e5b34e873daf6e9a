# One command each, the same on a laptop and in CI. `make install` brings a fresh Debian 12 to a working .venv.
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/pytest
JOBS   ?= auto
PEERS  := netavark aardvark-dns containernetworking-plugins dbus-daemon
# Only unpacked: installed, it would take this machine's network over.
NM     := network-manager libnm0 libndp0 libteamdctl0 libbluetooth3 libmm-glib0 libcurl3-gnutls libjansson4 libpsl5
NM_DIR := build/networkmanager
PACKAGES := $(filter-out %.egg-info,$(wildcard plugins/*/evenet_*))

.PHONY: install demo test lint types unit namespace bench clean

install: $(VENV)/.installed

$(VENV)/.installed: scripts/install pyproject.toml $(wildcard plugins/*/pyproject.toml) examples/vendor-plugin/pyproject.toml
	scripts/install $(VENV)
	touch $@

demo: install
	$(BIN)/python examples/demo.py

test: install
	$(PYTEST) -n $(JOBS) --dist loadgroup

unit: install
	$(PYTEST) tests/unit -n $(JOBS)

namespace: install
	$(PYTEST) tests/namespace -n $(JOBS) --dist loadgroup

lint: install types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy evenet_core $(PACKAGES) examples/vendor-plugin/acme_nic tests benchmarks examples/demo.py

bench: install
	dpkg -s $(PEERS) >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PEERS); }
	[ -d $(NM_DIR) ] || { mkdir -p $(NM_DIR) && cd $(NM_DIR) && apt-get download -qq $(NM) libpolkit-gobject-1-0 \
	  libpolkit-agent-1-0 && for package in *.deb; do dpkg -x $$package . && rm $$package; done; }
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build *.egg-info plugins/*/*.egg-info
