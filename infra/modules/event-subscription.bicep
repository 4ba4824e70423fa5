// Events of a custom topic that is there already, put on the request queue. Deployed in the topic's
// resource group. Shared keys are off in the app's storage, so the topic's own identity delivers; its
// role (event-sender.bicep) has to be there first, since Event Grid tries it.
import { deadLetterContainer } from '../types.bicep'

param topicName string
param subscriptionName string

@description('ARM id of the app\'s storage account.')
param storageAccountId string

param requestQueueName string

@description('Whether undelivered events are kept, in a container of their own.')
param keepUndeliveredEvents bool

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource subscriptionToQueue 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: subscriptionName
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: storageAccountId
          queueName: requestQueueName
          // Until it is read, as the app's own messages.
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
    deadLetterWithResourceIdentity: keepUndeliveredEvents
      ? {
          identity: {
            type: 'SystemAssigned'
          }
          deadLetterDestination: {
            endpointType: 'StorageBlob'
            properties: {
              resourceId: storageAccountId
              blobContainerName: deadLetterContainer
            }
          }
        }
      : null
  }
}
