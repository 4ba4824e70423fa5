#!/usr/bin/env bash
# Post a request and wait for its end. RESTORE_URL: https://<the app's host name>.
set -euo pipefail

curl --fail-with-body --silent --show-error "$RESTORE_URL/api/restores" \
  --header "x-functions-key: $POST_RESTORE_KEY" --header "Content-Type: application/json" \
  --data @request.json

# 404 until the message is read; `event` is there as soon as the request has ended.
until curl --fail-with-body --silent --show-error \
  --header "x-functions-key: $GET_RESTORE_KEY" \
  "$RESTORE_URL/api/restores/refresh-test-2026-02-05" | grep '"event"'; do
  sleep 10
done
