#!/usr/bin/env bash
# Bring the containers up for real, replay the sample's last month through them, kill some and wipe Redis on the way, and
# compare the trades with the back-test's, byte for byte.
#
#   infrastructure/ci/compose-e2e.sh OFFLINE_DOCKER
#
# OFFLINE_DOCKER is a script with the commands engine, images TAG... and stop, which makes Docker usable on a machine
# that reaches no container registry. Without it, or without root, the whole part is left out and says so. Everything
# started here is stopped again, also after a failure: containers, volumes, secrets and the engine. Exit code 0: all held;
# 77: left out; anything else: it did not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SINCE=2024-12-02 UNTIL=2025-01-01 SLICES=720
readonly REPLAY_LIMIT_S=${CHLOE_E2E_LIMIT_S:-420}
readonly OFFLINE_DOCKER=${1:-}
readonly COMMAND=.venv/bin/chloe
readonly LEFT_OUT=77

left_out() { # the caller has to see the difference to a success
  printf 'compose-e2e: LEFT OUT, nothing was run in containers: %s\n' "$*"
  exit "$LEFT_OUT"
}
say() { printf 'compose-e2e: %s\n' "$*"; }
failed() { say "FAILED: $*"; exit 1; }

[ -n "$OFFLINE_DOCKER" ] && [ -f "$OFFLINE_DOCKER" ] || left_out "no script at '${OFFLINE_DOCKER}' (CHLOE_OFFLINE_DOCKER names it)"
[ "$(id -u)" = 0 ] || left_out "starting a Docker engine needs root, this is user $(id -un)"

engine_was_there=no
docker info >/dev/null 2>&1 && engine_was_there=yes
bash "$OFFLINE_DOCKER" engine || left_out "the script could not start a Docker engine on this machine"

# Its own project, secrets and ports: nothing of an installation on the same machine is touched.
work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=chloe-e2e DOCKER_BUILDKIT=0
export CHLOE_VERSION=e2e CHLOE_SECRETS_DIR=$work/secrets CHLOE_REPLAY_PATH=./sample
export CHLOE_API_PORT=18000 CHLOE_PROMETHEUS_PORT=19090 CHLOE_GRAFANA_PORT=13000
export CHLOE_SOURCE=replay CHLOE_REPLAY_FROM=$SINCE CHLOE_REPLAY_UNTIL=$UNTIL
# the stand-in for the Python image brings PyTorch's processor-only wheel along
export CHLOE_TORCH_INDEX=
readonly API=http://127.0.0.1:$CHLOE_API_PORT

finish() {
  local status=$?
  trap - EXIT
  if [ "$status" != 0 ]; then
    say "the containers' last words:"
    docker compose ps --all || true
    docker compose logs --no-color --tail 40 || true
  fi
  docker compose down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || true
  [ "$engine_was_there" = yes ] || bash "$OFFLINE_DOCKER" stop || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

infrastructure/scripts/make-secrets "$CHLOE_SECRETS_DIR"
docker compose down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 # what a run that was cut off has left

# Grafana is the one image that has no stand-in. The one-shots migrate and train come as dependencies of the others:
# waiting for them by name would wait for ever. The source is started last, so that the replay can be disturbed.
mapfile -t services < <(docker compose config --services | grep -vx -e grafana -e migrate -e train -e ingestion-crypto)
mapfile -t images < <(docker compose config --images | grep -v -e '^chloe-' -e '^grafana/' | sort -u)
from=$SECONDS
bash "$OFFLINE_DOCKER" images python:3.11-slim-bookworm "${images[@]}"
say "stand-ins of the foreign images there after $((SECONDS - from)) s"

from=$SECONDS
docker compose build --quiet >"$work/build.log" 2>&1 || { tail -30 "$work/build.log"; failed "the images do not build"; }
say "images built in $((SECONDS - from)) s: $(docker images --format '{{.Repository}} {{.Size}}' --filter reference='chloe-*:e2e' | paste -sd, -)"

sql() { docker compose exec -T timescaledb psql -X -A -t -q -v ON_ERROR_STOP=1 -U grafana_reader -d chloe -c "$1"; }
python() { .venv/bin/python -c "$@"; }
ask() { python 'import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())' "$API$1"; }

# wait_until LIMIT_S WHAT QUERY: until the query answers t
wait_until() {
  local since=$SECONDS
  until [ "$(sql "$3")" = t ]; do
    [ $((SECONDS - since)) -lt "$1" ] || failed "$2 did not come within $1 s: $(sql 'select count(*), max(ts) from portfolio_equity')"
    sleep 0.2
  done
}
settled() { sql "select count(*) from portfolio_equity"; }

from=$SECONDS
docker compose run --rm -T train
say "database, schema and models made in $((SECONDS - from)) s"

from=$SECONDS
docker compose up --detach --wait --wait-timeout 180 "${services[@]}" >"$work/up.log" 2>&1 || { tail -30 "$work/up.log"; failed "the services did not come up"; }
say "all services healthy after $((SECONDS - from)) s"

from=$SECONDS
docker compose up --detach --no-deps ingestion-crypto >/dev/null 2>&1
wait_until 60 "the first slice" "select exists (select from portfolio_equity)"
docker compose kill --signal SIGKILL risk execution >/dev/null 2>&1
first=$(settled)
[ "$first" -lt "$SLICES" ] || failed "all $SLICES slices had passed before anything was killed, so the kill proves nothing"
# Redis comes back with nothing: its volume goes with it.
docker compose rm --force --stop redis >/dev/null 2>&1
docker volume rm "${COMPOSE_PROJECT_NAME}_redis" >/dev/null
docker compose up --detach --no-deps redis risk execution >/dev/null 2>&1
say "risk and execution killed after slice $first of $SLICES, Redis emptied, all started again"

# The replay has ended when the books hold the last slice and the last day is judged.
wait_until "$REPLAY_LIMIT_S" "the end of the replay" "select count(*) = $SLICES and max(ts) = timestamptz '$UNTIL' and
  (select slice_ts from stage_state where stage = 'phases') = timestamptz '$UNTIL' from portfolio_equity"
say "replayed $(settled) slices in $((SECONDS - from)) s"
docker compose up --detach --wait --wait-timeout 60 --no-deps "${services[@]}" ingestion-crypto >"$work/up.log" 2>&1 \
  || { tail -30 "$work/up.log"; failed "not all services are healthy after the replay"; }

ask /phases/readiness >"$work/readiness.json"
python '
import json, sys
answer = json.load(open(sys.argv[1]))
phases = {phase["phase"]: phase for phase in answer["phases"]}
crypto, stocks = phases["phase_0_crypto"], phases["phase_1_stocks"]
assert answer["mode"] == "replay" and answer["simulated"] is True, answer
assert crypto["active"] and not stocks["active"] and not stocks["ready"], (crypto, stocks)
asked = {r["name"].split(" ")[0]: r for r in stocks["requirements"]}
assert {"profitable_days", "sharpe_ratio", "max_drawdown", "win_rate", "source_configured"} <= set(asked), asked
assert all({"threshold", "current", "met"} <= set(r) for r in asked.values()), asked
assert not all(r["met"] for r in asked.values()) and asked["profitable_days"]["threshold"] == 30, asked
print("compose-e2e: /phases/readiness keeps stocks closed:", "; ".join(str(r["missing"]) for r in asked.values() if not r["met"]))
' "$work/readiness.json" || failed "/phases/readiness is not as it should be: $(cat "$work/readiness.json")"

rows=$(sql "select count(*) from asset_performance")
[ "$rows" -gt 0 ] || failed "asset_performance is empty"
say "asset_performance has $rows rows, the newest: $(sql "select * from (select day, symbol, trades_to_date, pnl_to_date from asset_performance) p order by day desc, symbol limit 1")"

[ "$(sql "select count(*) from timescaledb_information.hypertables where hypertable_name = 'candles'")" = 1 ] \
  || failed "candles is no hypertable"
say "candles is a hypertable of TimescaleDB $(sql "select extversion from pg_extension where extname = 'timescaledb'")"

if sql "set default_transaction_read_only = off; delete from trades" >/dev/null 2>&1; then failed "the reader's role can delete trades"; fi
say "the reader's role cannot change anything"

# Parity: the back-test and the containers write the same ledger, byte for byte.
from=$SECONDS
ask "/trades?format=jsonl" >"$work/replayed.jsonl"
"$COMMAND" backtest --from "$CHLOE_REPLAY_PATH" --since "$SINCE" --until "$UNTIL" --ledger "$work/backtest.jsonl" --json >"$work/backtest.json"
[ -s "$work/backtest.jsonl" ] || failed "the back-test made no trade, so the comparison would prove nothing"
cmp "$work/backtest.jsonl" "$work/replayed.jsonl" || failed "back-test and containers disagree on the trades"
equity=$(sql "select equity from portfolio_equity order by ts desc limit 1")
[ "$equity" = "$(python 'import json, sys; print(json.load(open(sys.argv[1]))["equity"])' "$work/backtest.json")" ] \
  || failed "the containers end with an equity of $equity, not the back-test's: $(cat "$work/backtest.json")"
say "the ledgers of back-test and containers are equal: $(wc -l <"$work/replayed.jsonl") trades, sha256 $(sha256sum <"$work/replayed.jsonl" | cut -c1-16), equity $equity, compared in $((SECONDS - from)) s"

services=$(sed -n '/job_name: chloe$/,/relabel_configs/p' infrastructure/prometheus/prometheus.yml | grep -cE ':[0-9]+$')
# A restarted service is seen again only at the next scrape, ten seconds later at most.
for _ in $(seq 15); do
  up=$(python 'import json, sys, urllib.request as r; print(len(json.load(r.urlopen(sys.argv[1], timeout=10))["data"]["result"]))' \
    "http://127.0.0.1:$CHLOE_PROMETHEUS_PORT/api/v1/query?query=up%7Bjob%3D%22chloe%22%7D%3D%3D1")
  [ "$up" = "$services" ] && break
  sleep 1
done
[ "$up" = "$services" ] || failed "Prometheus reaches $up of $services services"
say "Prometheus reaches all $services services"
say "memory: $(docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | sed "s/^$COMPOSE_PROJECT_NAME-//; s/-1 / /; s| / .*||" | paste -sd, -)"

# Told to stop, every process ends by itself, soon and with exit code 0; no log holds a traceback or a secret.
from=$SECONDS
docker compose stop >/dev/null 2>&1
[ $((SECONDS - from)) -le 20 ] || failed "stopping took $((SECONDS - from)) s"
crashed=$(docker compose ps --all --format '{{.Service}} {{.ExitCode}}' | grep -v ' 0$' || true)
[ -z "$crashed" ] || failed "ended with another exit code than 0: $crashed"
docker compose logs --no-color >"$work/containers.log" 2>&1
if grep -n -e Traceback -e '"level": "error"' -e '"level": "critical"' "$work/containers.log"; then failed "errors in the logs"; fi
for name in database_owner database_app database_reader redis grafana_admin; do
  if grep -qF -f "$CHLOE_SECRETS_DIR/$name" "$work/containers.log"; then failed "the secret $name is in the logs"; fi
done
if python 'import json, sys; print(*json.load(open(sys.argv[1])).values(), sep="\n")' "$CHLOE_SECRETS_DIR/api_tokens" | grep -qF -f - "$work/containers.log"; then
  failed "a token of the API is in the logs"
fi
say "all stopped in $((SECONDS - from)) s with exit code 0; $(wc -l <"$work/containers.log") lines of logs without an error or a secret"
say "all held"
