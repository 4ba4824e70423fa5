#!/usr/bin/env bash
# Put a request on the queue, as whoever is signed in.
set -euo pipefail

az storage message put --auth-mode login --account-name "$RESTORE_STORAGE_ACCOUNT" \
  --queue-name restore-requests --time-to-live -1 --content "$(cat request.json)"
