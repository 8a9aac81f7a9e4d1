# A fresh Debian 12 machine with Python 3.11 needs `make run`, nothing else. Paths stay relative: the folder's own may
# hold spaces.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
PY := .venv/bin/python

.PHONY: run test lint picture

run: .venv/requirements.stamp
	@exec $(PY) manage.py up

test: .venv/requirements-dev.stamp
	$(PY) manage.py packs install dlib-resnet
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest $(PYTEST)

lint: .venv/requirements-dev.stamp
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

picture: | .venv/bin/python
	$(PY) tools/house.py --svg docs/images/house.svg

.venv/requirements.stamp: requirements.txt | .venv/bin/python
	@echo "Installing the requirements (about a minute) …"
	@sh tools/pip-install.sh -r requirements.txt
	@touch $@

.venv/requirements-dev.stamp: requirements.txt requirements-dev.txt requirements-no-deps.txt | .venv/bin/python
	@echo "Installing the requirements for development …"
	@sh tools/pip-install.sh -r requirements-dev.txt
	@sh tools/pip-install.sh --no-deps -r requirements-no-deps.txt
	@touch $@ .venv/requirements.stamp

.venv/bin/python:
	@sh tools/make-virtualenv.sh "$(PYTHON)"
