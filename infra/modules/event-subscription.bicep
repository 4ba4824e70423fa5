// Events of a custom topic that is there already, put on the request queue. Deployed in the topic's
// resource group. Shared keys are off in the app's storage, so the topic's own identity delivers.
param topicName string
param subscriptionName string
param appSubscriptionId string
param appGroupName string
param storageAccountName string
param requestQueueName string
param completionQueueName string

resource topic 'Microsoft.EventGrid/topics@2022-06-15' existing = {
  name: topicName
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
  scope: resourceGroup(appSubscriptionId, appGroupName)
}

// What a sender gets, and no more. Fails where the topic has no system-assigned identity.
module sender 'queue-access.bicep' = {
  name: 'event-sender-${uniqueString(topic.id)}'
  scope: resourceGroup(appSubscriptionId, appGroupName)
  params: {
    storageAccountName: storageAccountName
    requestQueueName: requestQueueName
    completionQueueName: completionQueueName
    senderIds: [
      topic.identity.principalId
    ]
    consumerIds: []
  }
}

resource subscriptionToQueue 'Microsoft.EventGrid/topics/eventSubscriptions@2022-06-15' = {
  parent: topic
  name: subscriptionName
  dependsOn: [
    sender
  ]
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: account.id
          queueName: requestQueueName
          // Until it is read, as the app's own messages.
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
  }
}
