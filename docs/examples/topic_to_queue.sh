#!/usr/bin/env bash
# A custom topic of CloudEvents, delivered to the request queue with the topic's own identity.
set -euo pipefail

topic_id=$(az eventgrid topic create --resource-group "$TOPIC_GROUP" --name "$TOPIC_NAME" \
  --location "$AZURE_LOCATION" --input-schema cloudeventschemav1_0 --identity systemassigned \
  --query id --output tsv)
topic_identity=$(az eventgrid topic show --resource-group "$TOPIC_GROUP" \
  --name "$TOPIC_NAME" --query identity.principalId --output tsv)
account_id=$(az storage account show --name "$RESTORE_STORAGE_ACCOUNT" --query id --output tsv)
queue_id="$account_id/queueServices/default/queues/restore-requests"

az role assignment create --role "Storage Queue Data Message Sender" \
  --assignee-object-id "$topic_identity" --assignee-principal-type ServicePrincipal \
  --scope "$queue_id"

az eventgrid event-subscription create --name restore-requests --source-resource-id "$topic_id" \
  --event-delivery-schema cloudeventschemav1_0 --delivery-identity systemassigned \
  --delivery-identity-endpoint-type storagequeue --delivery-identity-endpoint "$queue_id"
