// Who wrote to storage, kept in the workspace: who really put a message on a queue is known from here
// alone. Reads are not kept: the host looks at its queues all day, and each look would be a line.
param storageAccountName string
param workspaceId string

var logs = [
  {
    category: 'StorageWrite'
    enabled: true
  }
  {
    category: 'StorageDelete'
    enabled: true
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

// There is no newer version of this type than this preview.
resource ofBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'restore'
  scope: blobService
  properties: {
    workspaceId: workspaceId
    logs: logs
  }
}

resource ofQueues 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'restore'
  scope: queueService
  properties: {
    workspaceId: workspaceId
    logs: logs
  }
}

resource ofTables 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'restore'
  scope: tableService
  properties: {
    workspaceId: workspaceId
    logs: logs
  }
}
