# make run | report | lab | measure | control | test | clips | sweep | study | bench | weights | clean.
# No target deletes data or runs, but "make run" replaces its own last run of the same task.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
BUILD := reports/runs/pages
PAPERMILL := $(BIN)/papermill --no-progress-bar -k python3
SWEEP = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake -c2 --keep-going --rerun-triggers input

.PHONY: report run measure clips control test lint lab bench study sweep weights clean
.DELETE_ON_ERROR:

# The report, made of the committed results and weights. One page of it: .venv/bin/python -m pig_core page paper
report: $(INSTALLED)
	$(BIN)/python -m pig_core page --all
	$(BIN)/python -m pig_core wall reports/wall.gif
	@echo "The report is reports/index.html"

# One training from pixels to constants, and its page: make run TASK=3bp_color
TASK ?= spring_color
run: $(INSTALLED)
	mkdir -p reports/runs/$(TASK)/run
	$(PAPERMILL) notebooks/train.ipynb reports/runs/$(TASK)/run/train.ipynb --log-output \
		-p task $(TASK) -p save_dir reports/runs/$(TASK)/run -p overwrite True
	$(BIN)/python -m pig_core page reports/runs/$(TASK)/run/train.ipynb reports/runs/$(TASK)/run/index.html
	@echo "The run's page is reports/runs/$(TASK)/run/index.html"

# Clips of your own to constants, a page each and one table: make measure VIDEOS="lab/*.mp4" MEASURE="--known g=9.81"
VIDEOS ?= reports/results/clips/demo.mp4
MEASURE ?=
measure: $(INSTALLED)
	$(BIN)/python -m pig_core measure $(VIDEOS) $(MEASURE)

# Clips rendered by MuJoCo, ten of each kind, and the tasks' own videos, measured and judged; what is there is kept.
clips: $(INSTALLED)
	$(BIN)/python -m pig_core clips
	$(BIN)/python -m pig_core clips --simulated

# Gymnasium's pendulum, learned from video and swung up from pixels, and its page: make control (about 5 minutes)
control: $(INSTALLED)
	mkdir -p $(BUILD)
	$(PAPERMILL) notebooks/control.ipynb $(BUILD)/control.ipynb --log-output
	$(BIN)/python -m pig_core page $(BUILD)/control.ipynb reports/control.html
	@echo "The page is reports/control.html"

# One process a core, each with one thread: twice as many tests at a time as with two threads each.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

lab: $(INSTALLED)
	-git config filter.notebook.clean 'python3 notebooks/strip.py'
	$(BIN)/jupyter lab notebooks

# The kernel that papermill starts and the programs that Snakemake calls are those of .venv.
sweep: $(INSTALLED)
	$(SWEEP)

# One comparison of pig_lab/studies/studies.py, e.g. make study STUDY=without; without a name: all of them (about 6 hours).
STUDY ?= $(shell $(BIN)/python -c "from pig_lab.studies.studies import STUDIES; print(*STUDIES)")
study: $(INSTALLED)
	failed=0; for name in $(STUDY); do $(SWEEP) --config study=$$name threads=1 || failed=1; done; exit $$failed

# What everything costs on this machine, for the report; nothing else should run meanwhile (about 10 minutes).
bench: $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pig_core bench

# The weights that come with the project: seed 0 of each task of the sweep.
weights: $(INSTALLED)
	$(BIN)/python -m pig_core publish reports/runs/*/sweep-improved-s0/checkpoint.safetensors

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev,control,clips]'
	touch $@

clean:
	rm -rf .venv $(BUILD)
