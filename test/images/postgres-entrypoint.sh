#!/bin/sh
# As the official image does: a cluster is made at the first start, then the server runs as process 1.
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth=trust --no-sync --encoding=UTF8 >/dev/null
fi
exec "$@"
