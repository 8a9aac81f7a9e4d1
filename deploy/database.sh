#!/bin/sh
# Makes the platform's two roles and its database. PostgreSQL's image runs it once, when the cluster is new.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
CREATE ROLE faceplatform_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE faceplatform_app LOGIN PASSWORD :'app_password';
CREATE DATABASE faceplatform OWNER faceplatform_owner;
\connect faceplatform
CREATE EXTENSION vector;
SQL
