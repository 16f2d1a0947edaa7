#!/usr/bin/env bash
# Bring the containers up for real and replay the sample's last 30 days through them.
#
#   infrastructure/ci/compose-e2e.sh OFFLINE_DOCKER
#
# OFFLINE_DOCKER is a script with the commands engine, images TAG... and stop, which makes Docker usable on a machine
# that reaches no container registry. Without it, or without root, the whole part is left out and says so. Everything
# started here is stopped again, also after a failure: containers, volumes, secrets and the engine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SINCE=2024-12-01 UNTIL=2025-01-01
readonly REPLAY_LIMIT_S=${CHLOE_E2E_LIMIT_S:-420}
readonly OFFLINE_DOCKER=${1:-}
readonly COMMAND=.venv/bin/chloe

left_out() {
  printf 'compose-e2e: LEFT OUT, nothing was run in containers: %s\n' "$*"
  exit 0
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
  docker compose --profile tools down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || true
  [ "$engine_was_there" = yes ] || bash "$OFFLINE_DOCKER" stop || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

infrastructure/scripts/make-secrets "$CHLOE_SECRETS_DIR"

# Grafana is the one image that has no stand-in.
# The one-shot migrate comes as a dependency of the others: waiting for it by name would wait for ever.
mapfile -t services < <(docker compose config --services | grep -vx -e grafana -e migrate)
mapfile -t images < <(docker compose config --images | grep -v -e '^chloe-' -e '^grafana/' | sort -u)
bash "$OFFLINE_DOCKER" images python:3.11-slim-bookworm "${images[@]}"

from=$SECONDS
docker compose build --quiet
say "images built in $((SECONDS - from)) s: $(docker images --format '{{.Repository}} {{.Size}}' --filter reference='chloe-*:e2e' | paste -sd, -)"

from=$SECONDS
docker compose run --rm -T train
say "models trained in $((SECONDS - from)) s"

from=$SECONDS
docker compose up --detach --wait --wait-timeout 180 "${services[@]}"
say "all services healthy after $((SECONDS - from)) s"

sql() { docker compose exec -T timescaledb psql -X -A -t -q -v ON_ERROR_STOP=1 -U grafana_reader -d chloe -c "$1"; }
ask() { .venv/bin/python -c 'import sys, urllib.request as r; sys.stdout.write(r.urlopen(r.Request(sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]}), timeout=10).read().decode())' "$API$1" "$read_token"; }
read_token=$(.venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))["read"])' "$CHLOE_SECRETS_DIR/api_tokens")

# The replay has ended when the books hold the last slice, which closes at UNTIL or where the sample ends before it.
readonly ENDED="select exists (select from portfolio_equity having max(ts) >= (select max(ts) from slices))
  and (select max(ts) from slices) >= (select max(ts) + interval '1 hour' from candles where timeframe = '1h')
  and not exists (select from candles having max(ts) < timestamptz '$UNTIL' - interval '2 hours')"
from=$SECONDS
until [ "$(sql "$ENDED")" = t ]; do
  [ $((SECONDS - from)) -lt "$REPLAY_LIMIT_S" ] || failed "the replay did not end within $REPLAY_LIMIT_S s: $(sql 'select count(*), max(ts) from portfolio_equity')"
  sleep 2
done
slices=$(sql "select count(*) from portfolio_equity")
say "replayed $slices slices in $((SECONDS - from)) s"

readiness=$(ask /phases/readiness)
for word in phase_1_stocks threshold current met; do
  grep -q "$word" <<<"$readiness" || failed "/phases/readiness says nothing of $word: $readiness"
done
say "/phases/readiness names phases and thresholds"

rows=$(sql "select count(*) from asset_performance")
[ "$rows" -gt 0 ] || failed "asset_performance is empty"
say "asset_performance has $rows rows"

[ "$(sql "select count(*) from timescaledb_information.hypertables where hypertable_name = 'candles'")" = 1 ] \
  || failed "candles is no hypertable"
say "candles is a hypertable of TimescaleDB $(sql "select extversion from pg_extension where extname = 'timescaledb'")"

if sql "delete from trades" >/dev/null 2>&1; then failed "the reader's role can delete trades"; fi
say "the reader's role cannot change anything"

# Parity: the backtest and the containers write the same ledger, byte for byte.
ask "/trades?format=jsonl" >"$work/replayed.jsonl"
"$COMMAND" backtest --from "$CHLOE_REPLAY_PATH" --since "$SINCE" --until "$UNTIL" --ledger "$work/backtest.jsonl"
[ -s "$work/backtest.jsonl" ] || failed "the backtest made no trade, so the comparison would prove nothing"
cmp "$work/backtest.jsonl" "$work/replayed.jsonl" || failed "backtest and containers disagree on the trades"
say "the ledgers of backtest and containers are equal: $(wc -l <"$work/replayed.jsonl") trades"

up=$(.venv/bin/python -c 'import json, sys, urllib.request as r; print(len(json.load(r.urlopen(sys.argv[1], timeout=10))["data"]["result"]))' \
  "http://127.0.0.1:$CHLOE_PROMETHEUS_PORT/api/v1/query?query=up%7Bjob%3D%22chloe%22%7D%3D%3D1")
[ "$up" = 12 ] || failed "Prometheus reaches $up of 12 services"
say "Prometheus reaches all 12 services"
say "all held"
