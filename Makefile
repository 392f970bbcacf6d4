# Every target sets up all it needs in .venv; python3 (with pip) and make are enough.
PYTHON ?= python3
BIN := .venv/bin
UV := .uv/bin/uv
DATA ?= data/sample
export PYTHONDONTWRITEBYTECODE :=
# trust what the machine trusts: companies put certificates of their own before the internet
export UV_SYSTEM_CERTS := 1

.PHONY: help report test check slow engines lab docs bench lock clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

report: .venv/.ready  ## reports of data/sample in reports/ (DATA=folder for your own)
	$(BIN)/touchlab report $(DATA) --out reports

# long files start first (tests/conftest.py); what notebooks and examples ask alike is computed once,
# as in a report, and they run even if a test fails
test: .venv/.ready  ## the tests and every notebook
	failed=0; once=$$(mktemp -d); trap 'rm -rf "$$once"' EXIT; \
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not slow" \
		--doctest-modules --ignore tests/test_docs.py tests || failed=1; \
	TOUCHLAB_ONCE=$$once $(BIN)/python -m pytest -q -n auto --dist loadfile --nbval-lax \
		--nbval-cell-timeout=600 --doctest-modules notebooks tests/test_docs.py touchlab || failed=1; \
	exit $$failed

check: .venv/.ready  ## style and types
	$(BIN)/ruff check touchlab tests benchmarks examples
	$(BIN)/ruff format --check touchlab tests benchmarks examples
	$(BIN)/mypy

slow: .venv/.ready  ## simulations over seeds and pages in a real browser (needs chromium)
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m slow tests

# pyspark comes as source: what builds it is hash-checked from the lock too
engines: .venv/.ready  ## drivers of PostgreSQL, Spark, Delta and Iceberg, for the tests on them (550 MB)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes \
		--build-constraints locks/engines.txt -r locks/engines.txt

lab: .venv/.ready  ## JupyterLab with the notebooks
	$(BIN)/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks/00_overview.ipynb

docs: .venv/.ready  ## the documentation site in site/, warnings as errors
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r locks/docs.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: .venv/.ready  ## speed and memory beside peers and as data grows: ratios within one run
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/drivers.py

lock: $(UV)  ## pin every dependency again, with hashes
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--extra completejourney --extra test --extra check --extra browser \
		pyproject.toml locks/build.in -o locks/requirements.txt
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--constraints locks/requirements.txt locks/engines.in -o locks/engines.txt
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--constraints locks/requirements.txt locks/docs.in -o locks/docs.txt
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		locks/uv.in -o locks/uv.txt

clean:  ## remove the environment and generated reports
	rm -rf .venv .uv reports/*

$(UV): locks/uv.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade --target .uv \
		--require-hashes -r locks/uv.txt
	@touch $@

# --no-build-isolation: the build backend comes hash-checked from the lock like all else
.venv/.ready: locks/requirements.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python '>=3.11' .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r locks/requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
