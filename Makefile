# Two commands matter: `make search` (set up and run the main job) and `make test` (set up and test).
PYTHON ?= python3
RUN ?= runs/digits
NAS := .venv/bin/nas
PIP := .venv/bin/pip install --quiet --disable-pip-version-check --root-user-action=ignore
# a thread per worker; bytecode is kept, for the tests start hundreds of processes
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n auto --dist loadfile -q

.PHONY: search search-host test test-quick test-slow test-oldest lint docs clean

search: .venv/.installed
	$(NAS) search experiments/digits.yaml --run-dir $(RUN)
	$(NAS) front $(RUN)
	$(NAS) export $(RUN) --pick knee

search-host: .venv/.installed
	$(NAS) search experiments/host_digits.yaml --run-dir runs/host_digits
	$(NAS) front runs/host_digits

test: .venv/.installed-test
	$(PYTEST) -m "not slow"

# without the folders and tests of tests/quick.txt: all that take over a second on a quiet machine
test-quick: .venv/.installed-test
	$(PYTEST) -m "not slow and not ray" @tests/quick.txt

test-slow: .venv/.installed-test
	$(PYTEST) -m slow

# with the oldest versions that pyproject.toml allows: tests of every folder, a search, an export;
# old packages call what newer ones that they bring call deprecated, which is no fault of ours, and
# torch 2.11 warns of its own loading of a .pt2
test-oldest: .venv-oldest/.installed
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= .venv-oldest/bin/python -m pytest -q \
		-W ignore::DeprecationWarning -W ignore::FutureWarning \
		-W "ignore:The given buffer is not writable:UserWarning" \
		-m "not slow and not ray" --ignore tests/modules/conformance --ignore tests/field \
		--ignore tests/test_wheel.py \
		--ignore tests/nas/export/test_zoo.py
	.venv-oldest/bin/nas search experiments/digits.yaml --trials 3 --run-dir runs/oldest
	.venv-oldest/bin/nas export runs/oldest --format onnx

lint: .venv/.installed-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	mkdir -p build/typed/plugnas  # the rooms where a wheel has them, for mypy
	for part in ../modules ../space ../nas __init__.py __main__.py; do \
		ln -sfn ../../../plugnas/$$part build/typed/plugnas/$$(basename $$part); done
	.venv/bin/mypy

docs: .venv/.installed
	$(PIP) --group docs
	.venv/bin/python docs/reference.py
	.venv/bin/mkdocs build --strict --site-dir build/site

# plain pip; torch and torchvision from the same place, so that they fit each other
.venv/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "plugnas needs Python 3.11 or newer: make PYTHON=python3.12 search"; exit 1; }
	test -d .venv || $(PYTHON) -m venv .venv
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[ray,onnx]"
	touch $@

.venv/.installed-test: .venv/.installed
	$(PIP) --group test --group lint
	touch $@

.venv-oldest/.installed: pyproject.toml oldest.txt
	test -d .venv-oldest || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	.venv-oldest/bin/pip install --quiet --disable-pip-version-check --constraint oldest.txt \
		--editable ".[ray,onnx]" --group test
	touch $@

clean:
	rm -rf .venv .venv-oldest build dist *.egg-info
