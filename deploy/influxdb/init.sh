#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs once, inside the InfluxDB container, after its first set-up and before it serves anybody.
# Makes what InfluxQL needs (a mapping from database to bucket) and two tokens that can do little:
# ingest writes and reads its bucket, Grafana only reads it. The admin's token leaves this container never.
set -euo pipefail

bucket=$DOCKER_INFLUXDB_INIT_BUCKET_ID
org=$DOCKER_INFLUXDB_INIT_ORG
tokens=${COLDCHAIN_TOKENS:-/etc/influxdb2/tokens}

# 30 days a shard: with the default of 7, decades of readings are too many open files.
influx bucket update --id "$bucket" --shard-group-duration 720h
influx v1 dbrp create --org "$org" --bucket-id "$bucket" --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default

token() { # name, permissions...
  local name=$1 made
  shift
  made=$(influx auth create --org "$org" --description "$name" --json "$@" |
    sed -n 's/^.*"token": *"\([^"]*\)".*$/\1/p' | head -n 1)
  if [ -z "$made" ]; then
    echo "init: InfluxDB made no token for $name" >&2
    return 1
  fi
  mkdir -p "$tokens/$name"
  printf '%s' "$made" >"$tokens/$name/token"
}

token ingest --read-bucket "$bucket" --write-bucket "$bucket"
token grafana --read-bucket "$bucket"
