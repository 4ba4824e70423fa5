#!/usr/bin/env bash
# A custom topic of CloudEvents, delivered to the request queue with the topic's own identity.
set -euo pipefail
: "${TOPIC_GROUP:?is empty: name the resource group of the topic}"
: "${TOPIC_NAME:?is empty: name the topic}"
: "${AZURE_LOCATION:?is empty: name the region of the topic}"
: "${RESTORE_STORAGE_ACCOUNT:?is empty: name the storage account of the app}"

topic_id=$(az eventgrid topic create --resource-group "$TOPIC_GROUP" --name "$TOPIC_NAME" \
  --location "$AZURE_LOCATION" --input-schema cloudeventschemav1_0 --identity systemassigned \
  --query id --output tsv)
topic_identity=$(az eventgrid topic show --resource-group "$TOPIC_GROUP" \
  --name "$TOPIC_NAME" --query identity.principalId --output tsv)
account_id=$(az storage account show --name "$RESTORE_STORAGE_ACCOUNT" --query id --output tsv)
: "${topic_id:?is empty: the topic was not made}"
: "${topic_identity:?is empty: the topic has no identity of its own}"
: "${account_id:?is empty: there is no such storage account}"
queue_id="$account_id/queueServices/default/queues/restore-requests"

az role assignment create --role "Storage Queue Data Message Sender" \
  --assignee-object-id "$topic_identity" --assignee-principal-type ServicePrincipal \
  --scope "$queue_id"

az eventgrid event-subscription create --name restore-requests --source-resource-id "$topic_id" \
  --event-delivery-schema cloudeventschemav1_0 --delivery-identity systemassigned \
  --delivery-identity-endpoint-type storagequeue --delivery-identity-endpoint "$queue_id" \
  --storage-queue-msg-ttl -1
