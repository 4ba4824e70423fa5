// What a topic's own identity may do: add to the request queue, as any sender, and keep events that
// cannot be delivered. Fails where the topic has no system-assigned identity.
import { deadLetterContainer, roles } from '../types.bicep'

@description('ARM id of the topic. The assignments are named after it.')
param topicId string

param storageAccountName string
param requestQueueName string

@description('Whether undelivered events are kept, in a container of their own.')
param keepUndeliveredEvents bool

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: last(split(topicId, '/'))
  scope: resourceGroup(split(topicId, '/')[2], split(topicId, '/')[4])
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName

  resource queueService 'queueServices' existing = {
    name: 'default'

    resource requests 'queues' existing = {
      name: requestQueueName
    }
  }

  resource blobService 'blobServices' existing = {
    name: 'default'

    resource undelivered 'containers' existing = {
      name: deadLetterContainer
    }
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::queueService::requests.id, toLower(topicId), roles.storageQueueDataMessageSender)
  scope: account::queueService::requests
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageQueueDataMessageSender
    )
  }
}

resource keeps 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keepUndeliveredEvents) {
  name: guid(account::blobService::undelivered.id, toLower(topicId), roles.storageBlobDataContributor)
  scope: account::blobService::undelivered
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}
