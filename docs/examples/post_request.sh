#!/usr/bin/env bash
# Post a request and wait for its end. RESTORE_URL: https://<the app's host name>.
set -euo pipefail
: "${RESTORE_URL:?is empty: set it to https:// and the host name of the app}"
: "${POST_RESTORE_KEY:?is empty: set it to the key of the function post_restore}"
: "${GET_RESTORE_KEY:?is empty: set it to the key of the function get_restore}"

request=$(cat request.json)
curl --fail-with-body --silent --show-error "$RESTORE_URL/api/restores" \
  --header "x-functions-key: $POST_RESTORE_KEY" --header "Content-Type: application/json" \
  --data "${request:?is empty: write the request to request.json}"

# The answer is 404 until the message is read; it has an `event` as soon as the request has ended.
while true; do
  answer=$(curl --silent --show-error --write-out '\n%{http_code}' \
    --header "x-functions-key: $GET_RESTORE_KEY" \
    "$RESTORE_URL/api/restores/refresh-test-2026-02-05")
  case "${answer##*$'\n'}" in
    200) grep '"event"' <<<"$answer" && break ;;
    404 | 503) ;;
    *)
      echo "the app does not tell how far the request is: $answer" >&2
      exit 1
      ;;
  esac
  sleep 10
done
