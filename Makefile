# The course. `make book` builds it, `make test` tests it; both set up .venv first. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
VENV := .venv
STAMP := $(VENV)/.set-up
RUN := $(VENV)/bin/python
# the first Python that is new enough, else plain python3, which the doctor then names as too old
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13,\
  $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)) python3)
WORKFLOWS = $(wildcard .github/workflows/*.yml)
unexport VIRTUAL_ENV PYTHONPATH

.PHONY: help setup notebooks check-notebooks exercises release collect grade answers mark feedback export stats \
  forget execute book serve test lint lock bench gpu doctor configure clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(STAMP)  ## make .venv and install what requirements.lock names

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) tools/doctor.py setup --install
	@echo "setting up $(VENV); its packages take 6 GB"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) -r requirements.lock || \
	  { echo "uv did not manage; pip, which reads pip.conf, tries"; $(RUN) -m pip install --quiet -r requirements.lock; }
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps -e .
	@touch $(STAMP)

notebooks: $(STAMP)  ## derive chapters/*.ipynb from chapters/*.md
	@$(RUN) tools/make_notebooks.py

check-notebooks: $(STAMP)
	@$(RUN) tools/make_notebooks.py --check

exercises: $(STAMP)  ## derive notebooks, pages and checks from exercises/masters
	@$(RUN) tools/make_exercises.py
	@$(RUN) tools/make_notebooks.py  # a chapter lists its tasks

release: $(STAMP)  ## a class's own edition: make release CLASS=folder (or SEED=secret) CHAPTER=05_first_vae
	@$(if $(CLASS),$(RUN) -m exercises.grading release "$(CLASS)" "$(CHAPTER)" $(OPTIONS),\
	  $(RUN) tools/release.py --seed "$(SEED)" --chapter "$(CHAPTER)")

collect: $(STAMP)  ## take submissions: make collect CLASS=folder CHAPTER=05_first_vae FROM=submissions.zip
	@$(RUN) -m exercises.grading collect "$(CLASS)" "$(CHAPTER)" "$(FROM)" $(OPTIONS)

grade: $(STAMP)  ## run and mark them: make grade CLASS=folder CHAPTER=05_first_vae; then answers mark feedback export stats
grade answers mark feedback export stats: $(STAMP)
	@$(RUN) -m exercises.grading $@ "$(CLASS)" "$(CHAPTER)" $(OPTIONS)

forget: $(STAMP)  ## delete a student's data: make forget CLASS=folder STUDENT=id
	@$(RUN) -m exercises.grading forget "$(CLASS)" "$(STUDENT)" $(OPTIONS)

execute: check-notebooks  ## execute the notebooks that changed
	@$(RUN) tools/execute.py

book: execute  ## build the book into _build/html
	@$(RUN) tools/build_site.py

serve:  ## show the built book on http://localhost:8000
	@test -f _build/html/index.html || { echo "there is no book yet: make book"; exit 1; }
	$(RUN) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

test: $(STAMP)  ## run all tests (they need the built book)
	@$(RUN) tools/doctor.py test --install
	@$(MAKE) book
	$(RUN) -m pytest

lint: check-notebooks  ## style, spelling, docstrings, workflows
	$(RUN) -m ruff check .
	$(VENV)/bin/codespell *.md *.toml chapters/*.md book/*.md $(wildcard vae_lib tools tests benchmarks exercises book/_ext)
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(VENV)/bin/zizmor --offline --quiet .github

lock: $(STAMP)  ## resolve requirements.lock anew from pyproject.toml
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

doctor:  ## what this machine lacks, and how to install it
	@$(PYTHON) tools/doctor.py

bench: $(STAMP)  ## all benchmarks on this machine; results go to benchmarks/results
	$(RUN) benchmarks/bench.py

gpu:  ## what waits for a GPU, in pieces of under 10 minutes: run it again until it says that all is done
	@PYTHONPATH=. $(if $(wildcard $(RUN)),$(RUN),$(PYTHON)) benchmarks/bench.py --device cuda

configure: $(STAMP)  ## make configure REPO=https://github.com/OWNER/NAME: name the course's repository
	@$(RUN) tools/configure.py $(REPO) $(REF)

clean:  ## remove what was built and executed (not .venv)
	rm -rf _build .executed
