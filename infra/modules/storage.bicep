// One account for the host, the package, the queues and the tables. Nobody has a key to it.
import { QueueNames, Tags, deadLetterContainer, packageContainer } from '../types.bicep'

param name string
param location string
param tags Tags

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param skuName string

param queueNames QueueNames

@description('Whether the account is closed to the internet, and reached by private endpoints alone.')
param closed bool

@description('Days for which deleted blobs and containers can be brought back; 0: none.')
@minValue(0)
@maxValue(365)
param blobSoftDeleteDays int

@description('Whether there is a container for events that Event Grid cannot deliver.')
param keepUndeliveredEvents bool

@description('Whether a lock stands in the way of deleting the account.')
param locked bool

var tableNames = [
  'restores'
  'openrestores'
  'restoreclaims'
]

var containerNames = concat([packageContainer], keepUndeliveredEvents ? [deadLetterContainer] : [])

var softDelete = blobSoftDeleteDays == 0 ? { enabled: false } : { enabled: true, days: max(1, blobSoftDeleteDays) }

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Event Grid delivers with the identity of a topic, as a trusted service: the exception holds
      // for an account that is closed, too.
      bypass: 'AzureServices'
      defaultAction: closed ? 'Deny' : 'Allow'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: softDelete
    containerDeleteRetentionPolicy: softDelete
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for containerName in containerNames: {
    parent: blobService
    name: containerName
    properties: {
      publicAccess: 'None'
    }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in items(queueNames): {
    parent: queueService
    name: queue.value
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for tableName in tableNames: {
    parent: tableService
    name: tableName
  }
]

// The records are here. Whoever wants to delete the account takes the lock away first.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  name: 'restore-state'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'The records of every restore are in this account.'
  }
}
