#!/bin/sh
# Imports the dashboard of the fleet into a Grafana of yours: GRAFANA=http://localhost:3000 GRAFANA_TOKEN=... import.sh [UID OF YOUR PROMETHEUS]
# The token is that of a service account which may edit dashboards. Without an argument the dashboard asks the source `prometheus`.
set -eu
dashboard=$(dirname "$0")/../../observability/grafana/convoy.json
python3 -c '
import json, sys
text = open(sys.argv[1]).read().replace("\"uid\": \"prometheus\"", json.dumps({"uid": sys.argv[2]})[1:-1])
json.dump({"dashboard": json.loads(text) | {"id": None}, "overwrite": True}, sys.stdout)
' "$dashboard" "${1:-prometheus}" |
  curl -fsS -H "Authorization: Bearer ${GRAFANA_TOKEN:?}" -H 'Content-Type: application/json' -d @- "${GRAFANA:-http://localhost:3000}/api/dashboards/db"
