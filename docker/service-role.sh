#!/bin/sh
# The database's image runs it once, when it makes the database: the role that serves, which no policy lets past.
set -eu

: "${SERVICE_PASSWORD:?POSTGRES_SERVICE_PASSWORD is unset: docker/up.sh makes it}"
# psql reads the password from the environment, so that no list of processes shows it.
psql -v ON_ERROR_STOP=1 --quiet --username="${POSTGRES_USER:-postgres}" --dbname="${POSTGRES_DB:-postgres}" <<'SQL'
\getenv password SERVICE_PASSWORD
SELECT format('CREATE ROLE callboard_service LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD %L', :'password') \gexec
SQL
