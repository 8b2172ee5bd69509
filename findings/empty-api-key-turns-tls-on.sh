#!/usr/bin/env bash
# An empty TEMPORAL_API_KEY turns TLS on.
#
# Packages: temporalio 1.35.0. Tried on 2026-11-30.
# Guess: `TEMPORAL_API_KEY=` (what a CI writes for a secret that a fork does not have) counts as not set, so that a
# client still connects to a local server.
# Instead: `ClientConfig.load_client_connect_config()` returns an empty API key and `tls=True`, and the connection to a
# server without TLS fails.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0
cat >"$tmp/options.py" <<'PY'
from temporalio.envconfig import ClientConfig

print(ClientConfig.load_client_connect_config(disable_file=True))
PY
for key in unset empty; do
    unset TEMPORAL_API_KEY
    [ "$key" = unset ] || export TEMPORAL_API_KEY=
    echo "$key: $("$tmp/v/bin/python" "$tmp/options.py")"
done | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
unset: {}
empty: {'api_key': '', 'tls': True}
SEEN
