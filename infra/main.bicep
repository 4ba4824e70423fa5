// Everything that the app needs, in a resource group of its own, and its role in the vaults.
targetScope = 'subscription'

@description('The azd environment: part of every name.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region. Flex Consumption must be offered there.')
@minLength(1)
param location string

@description('ARM ids of the Recovery Services vaults that the app may restore from.')
param vaultIds array = []

@description('Object ids (users, groups, identities) that may put requests on the request queue.')
param senderIds array = []

@description('Object ids (users, groups, identities) that may take events off the completion queue.')
param consumerIds array = []

@description('Settings that differ from the defaults in modules/app.bicep, as name and text.')
param settingOverrides object = {}

@description('The queue that requests come by. A setting and a queue follow from it.')
@minLength(3)
@maxLength(56)
param requestQueueName string = 'restore-requests'

@description('The queue that events go to. A setting and a queue follow from it.')
@minLength(3)
@maxLength(63)
param completionQueueName string = 'restore-completions'

@description('Standard_LRS where the region has no availability zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Memory of an instance. With 512 an idle month stays within the free grant.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-restore-${token}'
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'strestore${token}'
    location: location
    tags: tags
    skuName: storageSku
    requestQueueName: requestQueueName
    completionQueueName: completionQueueName
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-restore-${token}'
    applicationInsightsName: 'appi-restore-${token}'
    location: location
    tags: tags
  }
}

module appAccess 'modules/app-access.bicep' = {
  name: 'app-access'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storage.outputs.accountName
    applicationInsightsName: monitoring.outputs.applicationInsightsName
  }
}

module queueAccess 'modules/queue-access.bicep' = {
  name: 'queue-access'
  scope: group
  params: {
    storageAccountName: storage.outputs.accountName
    requestQueueName: requestQueueName
    completionQueueName: completionQueueName
    senderIds: senderIds
    consumerIds: consumerIds
  }
}

// One deployment per vault, in the vault's own resource group and subscription.
module vaultAccess 'modules/vault-access.bicep' = [for vaultId in vaultIds: {
  name: 'vault-access-${uniqueString(vaultId, token)}'
  scope: resourceGroup(split(vaultId, '/')[2], split(vaultId, '/')[4])
  params: {
    vaultName: last(split(vaultId, '/'))
    principalId: identity.outputs.principalId
  }
}]

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  // The host reads its package and takes its leases with these roles when it starts.
  dependsOn: [
    appAccess
  ]
  params: {
    planName: 'plan-restore-${token}'
    appName: 'func-restore-${token}'
    location: location
    tags: tags
    identityName: identity.outputs.name
    storageAccountName: storage.outputs.accountName
    packageContainerName: storage.outputs.packageContainerName
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    requestQueueName: requestQueueName
    completionQueueName: completionQueueName
    settingOverrides: settingOverrides
    instanceMemoryMB: instanceMemoryMB
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output RESTORE_APP_NAME string = app.outputs.name
output RESTORE_STORAGE_ACCOUNT string = storage.outputs.accountName
output RESTORE_REQUEST_QUEUE string = requestQueueName
output RESTORE_COMPLETION_QUEUE string = completionQueueName
output RESTORE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
