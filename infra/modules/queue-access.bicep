// Who may talk to the app: senders add to one queue and read nothing, consumers read the other.
param storageAccountName string
param requestQueueName string
param completionQueueName string
param senderIds array
param consumerIds array

// Built-in roles; their ids are the same in every tenant.
// Storage Queue Data Message Sender: add messages, nothing else.
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
// Storage Queue Data Message Processor: peek, receive and delete messages, nothing else.
var storageQueueDataMessageProcessor = '8a0f0c08-91a1-4084-bc3d-661d67233fed'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource requests 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  parent: queueService
  name: requestQueueName
}

resource completions 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  parent: queueService
  name: completionQueueName
}

resource senders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for senderId in senderIds: {
  name: guid(requests.id, senderId, storageQueueDataMessageSender)
  scope: requests
  properties: {
    principalId: senderId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
  }
}]

resource consumers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for consumerId in consumerIds: {
  name: guid(completions.id, consumerId, storageQueueDataMessageProcessor)
  scope: completions
  properties: {
    principalId: consumerId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageProcessor)
  }
}]
