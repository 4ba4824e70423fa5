#!/usr/bin/env bash
# An action group that calls the app, and an alert rule that names a plan.
set -euo pipefail

host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$RESTORE_APP_NAME" \
  --query defaultHostName --output tsv)
key=$(az functionapp function keys list --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$RESTORE_APP_NAME" --function-name post_alert --query default --output tsv)

group_id=$(az monitor action-group create --resource-group "$AZURE_RESOURCE_GROUP" \
  --name restore --short-name restore --action webhook restore \
  "https://$host/api/alerts?code=$key" \
  useaadauth "$WEBHOOK_OBJECT_ID" "$WEBHOOK_IDENTIFIER_URI" usecommonalertschema \
  --query id --output tsv)

az monitor metrics alert create --resource-group "$AZURE_RESOURCE_GROUP" --name files-deleted \
  --scopes "$WATCHED_ACCOUNT_ID/fileServices/default" \
  --condition "total Transactions > 1000 where ApiName includes DeleteFile" \
  --window-size 5m --evaluation-frequency 1m --severity 1 \
  --action "$group_id" restorePlan=deleted-files
