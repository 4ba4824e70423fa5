#!/usr/bin/env bash
# Publish an event. The signed-in person needs the role EventGrid Data Sender on the topic.
set -euo pipefail
: "${TOPIC_GROUP:?is empty: name the resource group of the topic}"
: "${TOPIC_NAME:?is empty: name the topic}"

event=$(cat cloud-event.json)
endpoint=$(az eventgrid topic show --resource-group "$TOPIC_GROUP" --name "$TOPIC_NAME" \
  --query endpoint --output tsv)
token=$(az account get-access-token --resource https://eventgrid.azure.net \
  --query accessToken --output tsv)
: "${event:?is empty: write the event to cloud-event.json}"
: "${endpoint:?is empty: there is no such topic}"
: "${token:?is empty: nobody is signed in}"

curl --fail-with-body --silent --show-error "$endpoint?api-version=2018-01-01" \
  --header "Authorization: Bearer $token" \
  --header "Content-Type: application/cloudevents+json; charset=utf-8" \
  --data "$event"
