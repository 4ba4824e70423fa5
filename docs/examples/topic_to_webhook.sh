#!/usr/bin/env bash
# The same topic, delivered over HTTP instead. The function's key is a part of the address.
set -euo pipefail

topic_id=$(az eventgrid topic show --resource-group "$TOPIC_GROUP" --name "$TOPIC_NAME" \
  --query id --output tsv)
host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$RESTORE_APP_NAME" \
  --query defaultHostName --output tsv)
key=$(az functionapp function keys list --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$RESTORE_APP_NAME" --function-name post_restore --query default --output tsv)

az eventgrid event-subscription create --name restore-webhook --source-resource-id "$topic_id" \
  --event-delivery-schema cloudeventschemav1_0 --endpoint "https://$host/api/restores?code=$key"
