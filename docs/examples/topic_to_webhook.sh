#!/usr/bin/env bash
# The same topic, delivered over HTTP. The function's key is a part of the address.
set -euo pipefail
: "${TOPIC_GROUP:?is empty: name the resource group of the topic}"
: "${TOPIC_NAME:?is empty: name the topic}"
: "${AZURE_RESOURCE_GROUP:?is empty: name the resource group of the app}"
: "${RESTORE_APP_NAME:?is empty: name the function app}"

topic_id=$(az eventgrid topic show --resource-group "$TOPIC_GROUP" --name "$TOPIC_NAME" \
  --query id --output tsv)
host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$RESTORE_APP_NAME" \
  --query properties.defaultHostName --output tsv)
key=$(az functionapp function keys list --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$RESTORE_APP_NAME" --function-name post_restore --query default --output tsv)
: "${topic_id:?is empty: there is no such topic}"
: "${host:?is empty: az tells no host name of the app}"
: "${key:?is empty: the function post_restore has no key called default}"

az eventgrid event-subscription create --name restore-webhook --source-resource-id "$topic_id" \
  --event-delivery-schema cloudeventschemav1_0 --endpoint "https://$host/api/restores?code=$key"
