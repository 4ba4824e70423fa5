// Who may talk to the app: senders add to one queue and read nothing, consumers read the other.
import { QueueNames, roles } from '../types.bicep'

param storageAccountName string
param queueNames QueueNames
param senderIds string[]
param consumerIds string[]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource requests 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: queueService
  name: queueNames.requests
}

resource completions 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: queueService
  name: queueNames.completions
}

resource senders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for senderId in senderIds: {
    name: guid(requests.id, senderId, roles.storageQueueDataMessageSender)
    scope: requests
    properties: {
      principalId: senderId
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageQueueDataMessageSender
      )
    }
  }
]

resource consumers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for consumerId in consumerIds: {
    name: guid(completions.id, consumerId, roles.storageQueueDataMessageProcessor)
    scope: completions
    properties: {
      principalId: consumerId
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageQueueDataMessageProcessor
      )
    }
  }
]
