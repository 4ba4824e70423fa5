#!/usr/bin/env bash
# An action group that calls the app, and an alert rule that names a plan.
set -euo pipefail
: "${AZURE_RESOURCE_GROUP:?is empty: name the resource group of the app}"
: "${RESTORE_APP_NAME:?is empty: name the function app}"
: "${WATCHED_ACCOUNT_ID:?is empty: give the ARM id of the storage account to watch}"
: "${WEBHOOK_OBJECT_ID:?is empty: give the object id of the webhook application}"
: "${WEBHOOK_IDENTIFIER_URI:?is empty: give the identifier URI of the webhook application}"

host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$RESTORE_APP_NAME" \
  --query properties.defaultHostName --output tsv)
key=$(az functionapp function keys list --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$RESTORE_APP_NAME" --function-name post_alert --query default --output tsv)
: "${host:?is empty: az tells no host name of the app}"
: "${key:?is empty: the function post_alert has no key called default}"

group_id=$(az monitor action-group create --resource-group "$AZURE_RESOURCE_GROUP" \
  --name restore --short-name restore --action webhook restore \
  "https://$host/api/alerts?code=$key" \
  useaadauth "$WEBHOOK_OBJECT_ID" "$WEBHOOK_IDENTIFIER_URI" usecommonalertschema \
  --query id --output tsv)
: "${group_id:?is empty: the action group was not made}"

az monitor metrics alert create --resource-group "$AZURE_RESOURCE_GROUP" --name files-deleted \
  --scopes "$WATCHED_ACCOUNT_ID/fileServices/default" \
  --condition "total Transactions > 1000 where ApiName includes DeleteFile" \
  --window-size 5m --evaluation-frequency 1m --severity 1 \
  --action "$group_id" restorePlan=deleted-files
