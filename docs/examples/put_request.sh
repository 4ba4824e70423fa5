#!/usr/bin/env bash
# Put a request on the queue, as the person who is signed in to az.
set -euo pipefail
: "${RESTORE_STORAGE_ACCOUNT:?is empty: name the storage account of the app}"

request=$(cat request.json)
az storage message put --auth-mode login --account-name "$RESTORE_STORAGE_ACCOUNT" \
  --queue-name restore-requests --time-to-live -1 \
  --content "${request:?is empty: write the request to request.json}"
