# Needs Python 3.11 or later and make; everything else is installed into .venv of this directory.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/installed
BENCH  ?= ../shared/bench/switchbench.py

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo mesh-demo redirect-demo test check bench clean

help:
	@echo 'make demo    a source proxy and two destination proxies at work, about ten seconds'
	@echo 'make redirect-demo    one endpoint for two services that speak sodep'
	@echo 'make mesh-demo   a shop under a Manager and two agents while things go wrong, two minutes'
	@echo 'make test    every test'
	@echo 'make check   formatting, lint and types'
	@echo 'make bench   speed and CPU per message; options: make bench ARGS="--fan 2"'
	@echo 'make clean   remove what the others made'

# The compiled data path is made by the install, so the install follows the files that setup.py names.
COMPILED := $(shell sed -n 's/^ *"ccproxy[^"]*": "\(ccproxy[^"]*\.py\)",$$/\1/p' setup.py)
TYPES    := $(foreach file,$(COMPILED),$(wildcard $(dir $(file))*.pxd))

$(READY): pyproject.toml setup.py $(COMPILED) $(TYPES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/python contrib/demo/demo.py $(ARGS)

redirect-demo: $(READY)
	$(BIN)/python contrib/redirect/demo.py

mesh-demo: $(READY)
	$(BIN)/python contrib/shop/demo.py $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	if test -f $(BENCH); \
	then PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $(BENCH) $(ARGS); \
	else $(BIN)/python contrib/bench/bench.py $(ARGS); fi

clean:
	rm -rf $(VENV) build *.egg-info $(foreach file,$(COMPILED),$(dir $(file))_$(basename $(notdir $(file)))*.so) .mypy_cache .pytest_cache .ruff_cache .hypothesis
