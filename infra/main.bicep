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

@description('ARM ids of Event Grid custom topics whose events go to the request queue. Each topic needs a system-assigned identity.')
param eventTopicIds array = []

@description('The key of the function behind POST /api/alerts. Where it is given, an action group is made that calls it.')
@secure()
param alertFunctionKey string = ''

@description('Object id of the Entra application that stands for the alert webhook. Without it the key alone is sent, and no token.')
param alertWebhookObjectId string = ''

@description('Identifier URI of that application, such as api://<its client id>.')
param alertWebhookIdentifierUri string = ''

@description('ARM id of a storage account with file shares: an alert rule is made that counts the files deleted there.')
param sampleAlertAccountId string = ''

@description('The restore plan that the sample alert names. Without it, plans are chosen by the name of the rule, files-deleted-…')
param sampleAlertPlan string = ''

@description('Whether the sample alert rule is switched on.')
param sampleAlertEnabled bool = false

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

// One deployment per topic, in the topic's own resource group and subscription.
module eventSubscription 'modules/event-subscription.bicep' = [for topicId in eventTopicIds: {
  name: 'event-subscription-${uniqueString(topicId, token)}'
  scope: resourceGroup(split(topicId, '/')[2], split(topicId, '/')[4])
  params: {
    topicName: last(split(topicId, '/'))
    subscriptionName: 'restore-${token}'
    appSubscriptionId: subscription().subscriptionId
    appGroupName: group.name
    storageAccountName: storage.outputs.accountName
    requestQueueName: requestQueueName
    completionQueueName: completionQueueName
  }
}]

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

module alert 'modules/alert.bicep' = if (!empty(alertFunctionKey)) {
  name: 'alert'
  scope: group
  params: {
    actionGroupName: 'ag-restore-${token}'
    tags: tags
    appName: app.outputs.name
    functionKey: alertFunctionKey
    webhookObjectId: alertWebhookObjectId
    webhookIdentifierUri: alertWebhookIdentifierUri
    sampleAccountId: sampleAlertAccountId
    samplePlan: sampleAlertPlan
    sampleEnabled: sampleAlertEnabled
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output RESTORE_APP_NAME string = app.outputs.name
output RESTORE_STORAGE_ACCOUNT string = storage.outputs.accountName
output RESTORE_REQUEST_QUEUE string = requestQueueName
output RESTORE_COMPLETION_QUEUE string = completionQueueName
output RESTORE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
