# make report | make test | make lab | make sweep; everything else is a step of these. Data and runs are never deleted.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# The run that the page shows; apart from the folders that a user's own runs get.
RUN := reports/runs/spring_color/report

.PHONY: report test lint lab sweep results clean
.DELETE_ON_ERROR:

report: reports/index.html
	@echo "The report is reports/index.html"

reports/index.html: $(RUN)/train.ipynb reports/template/index.html.j2 reports/template/page.css
	$(BIN)/python -m pig_core.page $< $@

$(RUN)/train.ipynb: notebooks/train.ipynb $(wildcard pig_core/*) | $(INSTALLED)
	mkdir -p $(RUN)
	$(BIN)/papermill notebooks/train.ipynb $(RUN)/partial.ipynb -k python3 --log-output \
		-p task spring_color -p save_dir $(RUN) -p overwrite True
	mv $(RUN)/partial.ipynb $@

test: lint
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

# The kernel that papermill starts and the programs that Snakemake calls are those of .venv.
sweep: $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake -c2 --keep-going --rerun-triggers input
	$(MAKE) results

results: $(INSTALLED)
	$(BIN)/python -m pig_core.results README.md

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv $(RUN) reports/index.html
