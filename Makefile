# A fresh Debian 12 machine with Python 3.11 needs `make run`, nothing else. Paths stay relative: the folder's own may
# hold spaces.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
PY := .venv/bin/python

.PHONY: run check test lint lock sbom picture pictures clicks languages

run: .venv/requirements.stamp
	@exec $(PY) manage.py up $(if $(DEMO),--demo)

# All that can be said without running the product. Its settings are those of the tests.
check: .venv/requirements-dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint(['--no-logo', '--no-cache'])"
	$(PY) manage.py makemigrations --check --dry-run --settings tests.settings
	FACEPLATFORM_HTTPS=on $(PY) manage.py check --deploy --fail-level WARNING --settings tests.settings
	$(PY) tools/audit_requirements.py
	$(PY) tools/licences.py

test: check
	$(PY) manage.py packs install sface
	$(PY) manage.py packs install dlib-resnet
	$(PY) -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html $(PYTEST)

lint: .venv/requirements-dev.stamp
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The requirements with all that they need, each file by its hash.
lock: .venv/requirements-dev.stamp
	$(PY) -m uv pip compile requirements.txt --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" -o requirements.lock

# What the platform consists of, as CycloneDX.
sbom: .venv/requirements-dev.stamp
	$(PY) tools/sbom.py var/sbom.json

picture: | .venv/bin/python
	$(PY) tools/house.py --svg docs/images/house.svg

# The texts that are marked for translation, into locale/, and what is translated there, ready to be read. It needs GNU gettext.
languages: .venv/requirements-dev.stamp
	$(PY) manage.py makemessages --no-wrap --no-obsolete --add-location file $(foreach l,de es fr ar,--locale $(l)) \
		$(foreach f,.venv tests models var clients docs tools,--ignore $(f)) --settings tests.settings
	$(foreach l,de es fr ar,msgfmt --check --output-file locale/$(l)/LC_MESSAGES/django.mo locale/$(l)/LC_MESSAGES/django.po &&) true

# Of every page, wide and on a phone, with an index: var/pictures/index.html
pictures: .venv/requirements-dev.stamp
	$(PY) tests/pictures.py var/pictures $(LANGUAGE)

# How many clicks and seconds ten main jobs take, as a table for docs/performance.md.
clicks: .venv/requirements-dev.stamp
	$(PY) tests/clicks.py

.venv/requirements.stamp: requirements.lock | .venv/bin/python
	@echo "Installing the requirements (about a minute) …"
	@sh tools/pip-install.sh --require-hashes -r requirements.lock
	@touch $@

.venv/requirements-dev.stamp: requirements.txt requirements-openvino.txt requirements-mqtt.txt requirements-dev.txt requirements-no-deps.txt | .venv/bin/python
	@echo "Installing the requirements for development …"
	@sh tools/pip-install.sh -r requirements-dev.txt
	@sh tools/pip-install.sh --no-deps -r requirements-no-deps.txt
	@touch $@ .venv/requirements.stamp

.venv/bin/python:
	@sh tools/make-virtualenv.sh "$(PYTHON)"
