// Everything that the app needs, in a resource group of its own or in one that is there, and its role
// in the vaults. Every name is worked out here, from parameters alone, so that a preview shows it.
targetScope = 'subscription'

import { AlwaysReady, DnsZoneIds, Grant, QueueNames, SettingOverrides, Tags } from 'types.bicep'
import { deadLetterContainer, roles, storageSuffix } from 'types.bicep'

@description('The azd environment: part of every name.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region. Flex Consumption must be offered there.')
@minLength(1)
param location string

// --- what it may touch, and who may talk to it

@description('ARM ids of the Recovery Services vaults that the app may restore from.')
param vaultIds string[] = []

@description('Object ids (users, groups, identities) that may put requests on the request queue.')
param senderIds string[] = []

@description('Object ids (users, groups, identities) that may take events off the completion queue.')
param consumerIds string[] = []

// --- how it behaves

@description('Settings that differ from the defaults in modules/app.bicep, as name and text.')
param settingOverrides SettingOverrides = {}

@description('Accept and follow, but start nothing.')
param paused bool = false

@description('The queue that requests come by. Queues and settings follow from it; the host adds -poison to its name for those that failed five times.')
@minLength(3)
@maxLength(56)
param requestQueueName string = 'restore-requests'

@description('The queue that events go to. A setting and a queue follow from it.')
@minLength(3)
@maxLength(63)
param completionQueueName string = 'restore-completions'

// --- size and price

@description('Standard_LRS where the region has no availability zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Memory of an instance. The app was seen to use 89 MiB with 5,000 restores open, and with 512 an idle month stays within the free grant.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 512

@description('Instances that a function may grow to. Each has a budget of ARM calls of its own, and a vault starts tens of restores a day, so that more of them only bring a long queue to Azure\'s limits sooner.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 4

@description('Instances that are kept ready, by function. They are paid for around the clock; at least two each where zoneRedundant is true.')
param alwaysReady AlwaysReady[] = []

@description('Whether the plan spreads its instances over zones. Storage has its own parameter, storageSku.')
param zoneRedundant bool = false

// --- events and alerts

@description('ARM ids of Event Grid custom topics whose events go to the request queue. Each topic needs a system-assigned identity.')
param eventTopicIds string[] = []

@description('Whether events that Event Grid cannot deliver are kept, as blobs in a container of the storage account.')
param keepUndeliveredEvents bool = false

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

// --- what exists already

@description('Name of a resource group that is there; empty: rg-<environmentName> is made.')
param existingResourceGroup string = ''

@description('ARM id of a Log Analytics workspace that is there; empty: one is made.')
param existingWorkspaceId string = ''

@description('ARM id of a user-assigned identity that is there; empty: one is made.')
param existingIdentityId string = ''

@description('ARM id of a role for vaults that is there (vault-role.bicep makes one); empty: one is made in each resource group of vaults.')
param existingVaultRoleId string = ''

@description('Whether roles are defined and assigned. Where not, the output RESTORE_ROLES_TO_GRANT lists what somebody else has to assign.')
param assignRoles bool = true

// --- the private profile

@description('Whether storage and app are closed to the internet and reached by private endpoints.')
param vnetEnabled bool = false

@description('ARM id of a subnet that is delegated to Microsoft.App/environments, for the app\'s calls; empty: a network is made.')
param appSubnetId string = ''

@description('ARM id of a subnet for the private endpoints; empty: a network is made.')
param endpointSubnetId string = ''

@description('Addresses of the network that is made, at least a /25.')
param vnetAddressPrefix string = '10.90.0.0/24'

@description('Whether private DNS zones are made for the endpoints, and linked to their network.')
param createDnsZones bool = false

@description('ARM ids of private DNS zones that are there, for the endpoints to be entered in. Without these two, a policy or a person enters them.')
param dnsZoneIds DnsZoneIds = {}

// --- what companies ask for

@description('Tags for everything that can have some.')
param tags Tags = {}

@description('Whether writes to the storage account are logged in the workspace.')
param diagnostics bool = false

@description('Whether a lock stands in the way of deleting the storage account.')
param lockState bool = false

@description('Days for which deleted blobs can be brought back; 0: none.')
@minValue(0)
@maxValue(365)
param blobSoftDeleteDays int = 0

@description('GB of logs that the new workspace takes in a day; 0: no limit.')
@minValue(0)
param dailyCapGb int = 0

// --- what would be refused later, or would not work

func isIdOf(id string, type string) bool =>
  startsWith(toLower(id), '/subscriptions/') && length(split(id, '/')) == 9 && contains(
    toLower(id),
    toLower('/providers/${type}/')
  )

// Each once, however it is written: two assignments of one role to one principal are refused.
func distinct(ids string[]) string[] =>
  filter(ids, (id, place) => indexOf(map(ids, one => toLower(one)), toLower(id)) == place)

var vaultType = 'Microsoft.RecoveryServices/vaults'
var topicType = 'Microsoft.EventGrid/topics'
var identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'
var distinctVaultIds = distinct(filter(vaultIds, id => isIdOf(id, vaultType)))
var distinctTopicIds = distinct(filter(eventTopicIds, id => isIdOf(id, topicType)))

var problems = concat(
  map(filter(vaultIds, id => !isIdOf(id, vaultType)), id => 'vaultIds: \'${id}\' is no ARM id of a vault.'),
  map(filter(eventTopicIds, id => !isIdOf(id, topicType)), id => 'eventTopicIds: \'${id}\' is no ARM id of a topic.'),
  empty(existingIdentityId) || isIdOf(existingIdentityId, identityType)
    ? []
    : ['existingIdentityId: \'${existingIdentityId}\' is no ARM id of a user-assigned identity.'],
  contains([requestQueueName, '${requestQueueName}-poison'], completionQueueName)
    ? ['completionQueueName: requests come by that queue; events need another.']
    : [],
  !vnetEnabled && (!empty(appSubnetId) || !empty(endpointSubnetId) || createDnsZones || !empty(dnsZoneIds))
    ? [
        'Subnets and DNS zones are for the private profile, and nothing is closed without vnetEnabled: set it to true, or leave them out.'
      ]
    : [],
  vnetEnabled && empty(appSubnetId) != empty(endpointSubnetId)
    ? ['Give both appSubnetId and endpointSubnetId, of networks that reach each other, or neither.']
    : [],
  createDnsZones && !empty(dnsZoneIds) ? ['Give dnsZoneIds, or let createDnsZones make zones.'] : [],
  !empty(existingWorkspaceId) && dailyCapGb != 0
    ? ['dailyCapGb is for a workspace that is made here: set it on the existing one.']
    : [],
  zoneRedundant && storageSku != 'Standard_ZRS' ? ['zoneRedundant needs storageSku Standard_ZRS.'] : [],
  zoneRedundant && !empty(filter(alwaysReady, one => one.instanceCount < 2))
    ? ['With zoneRedundant, each instanceCount of alwaysReady is at least 2.']
    : []
)

// --- names

// All names hang on this one, so that nothing is deployed while there is a problem.
var token = empty(problems)
  ? toLower(uniqueString(subscription().id, environmentName, location))
  : fail(join(problems, ' '))
var allTags = union(tags, { 'azd-env-name': environmentName })
var groupName = empty(existingResourceGroup) ? 'rg-${environmentName}' : existingResourceGroup
var groupId = '${subscription().id}/resourceGroups/${groupName}'
var storageAccountName = 'strestore${token}'
var storageAccountId = '${groupId}/providers/Microsoft.Storage/storageAccounts/${storageAccountName}'
var applicationInsightsName = 'appi-restore-${token}'
var applicationInsightsId = '${groupId}/providers/Microsoft.Insights/components/${applicationInsightsName}'
var requestQueueId = '${storageAccountId}/queueServices/default/queues/${requestQueueName}'
var workspaceName = 'log-restore-${token}'
var workspaceId = empty(existingWorkspaceId)
  ? '${groupId}/providers/Microsoft.OperationalInsights/workspaces/${workspaceName}'
  : existingWorkspaceId
var appName = 'func-restore-${token}'
var appId = '${groupId}/providers/Microsoft.Web/sites/${appName}'
var identityName = 'id-restore-${token}'
var identityId = empty(existingIdentityId)
  ? '${groupId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${identityName}'
  : existingIdentityId
var queueNames QueueNames = {
  requests: requestQueueName
  poisonedRequests: '${requestQueueName}-poison'
  completions: completionQueueName
}

var networkName = 'vnet-restore-${token}'
var networkId = '${groupId}/providers/Microsoft.Network/virtualNetworks/${networkName}'
var makeNetwork = vnetEnabled && empty(appSubnetId)
var appSubnet = empty(appSubnetId) ? '${networkId}/subnets/app' : appSubnetId
var endpointSubnet = empty(endpointSubnetId) ? '${networkId}/subnets/endpoints' : endpointSubnetId
var zoneNames = {
  blob: 'privatelink.blob.${storageSuffix}'
  queue: 'privatelink.queue.${storageSuffix}'
  table: 'privatelink.table.${storageSuffix}'
  sites: 'privatelink.azurewebsites.net'
}
var zoneIds DnsZoneIds = createDnsZones
  ? mapValues(zoneNames, name => '${groupId}/providers/Microsoft.Network/privateDnsZones/${name}')
  : dnsZoneIds

// The resource groups of vaults, each once, however their ids are written.
var vaultGroups = union(map(distinctVaultIds, id => toLower(join(take(split(id, '/'), 5), '/'))), [])

// One entry for each vault: its role, and the name of the role's assignment.
var vaults = map(distinctVaultIds, id => {
  id: id
  roleDefinitionId: empty(existingVaultRoleId)
    ? subscriptionResourceId(
        split(id, '/')[2],
        'Microsoft.Authorization/roleDefinitions',
        guid(toLower(join(take(split(id, '/'), 5), '/')), toLower(identityId), 'azure-files-restore')
      )
    : existingVaultRoleId
})

// --- the home of the app

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = if (empty(existingResourceGroup)) {
  name: groupName
  location: location
  tags: allTags
}

module identity 'modules/identity.bicep' = if (empty(existingIdentityId)) {
  name: 'identity'
  scope: resourceGroup(groupName)
  dependsOn: [
    group
  ]
  params: {
    name: identityName
    location: location
    tags: allTags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: resourceGroup(groupName)
  dependsOn: [
    group
  ]
  params: {
    name: storageAccountName
    location: location
    tags: allTags
    skuName: storageSku
    queueNames: queueNames
    closed: vnetEnabled
    blobSoftDeleteDays: blobSoftDeleteDays
    keepUndeliveredEvents: keepUndeliveredEvents
    locked: lockState
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: resourceGroup(groupName)
  dependsOn: [
    group
  ]
  params: {
    workspaceName: workspaceName
    existingWorkspaceId: existingWorkspaceId
    dailyCapGb: dailyCapGb
    applicationInsightsName: applicationInsightsName
    location: location
    tags: allTags
  }
}

module storageDiagnostics 'modules/diagnostics.bicep' = if (diagnostics) {
  name: 'diagnostics'
  scope: resourceGroup(groupName)
  dependsOn: [
    monitoring
    storage
  ]
  params: {
    storageAccountName: storageAccountName
    workspaceId: workspaceId
  }
}

module network 'modules/network.bicep' = if (makeNetwork) {
  name: 'network'
  scope: resourceGroup(groupName)
  dependsOn: [
    group
  ]
  params: {
    name: networkName
    location: location
    tags: allTags
    addressPrefix: vnetAddressPrefix
    appSubnetName: 'app'
    endpointSubnetName: 'endpoints'
  }
}

module dnsZones 'modules/dns-zones.bicep' = if (vnetEnabled && createDnsZones) {
  name: 'dns-zones'
  scope: resourceGroup(groupName)
  dependsOn: [
    network
  ]
  params: {
    names: map(items(zoneNames), zone => zone.value)
    networkId: join(take(split(endpointSubnet, '/'), 9), '/')
    tags: allTags
  }
}

module storageEndpoints 'modules/storage-endpoints.bicep' = if (vnetEnabled) {
  name: 'storage-endpoints'
  scope: resourceGroup(groupName)
  dependsOn: [
    dnsZones
    network
    storage
  ]
  params: {
    namePrefix: 'pe-restore-${token}'
    location: location
    tags: allTags
    subnetId: endpointSubnet
    storageAccountId: storageAccountId
    dnsZoneIds: zoneIds
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: resourceGroup(groupName)
  // The host reads its package and takes its leases with these roles, and in the private profile
  // through these endpoints, when it starts.
  dependsOn: [
    appAccess
    identity
    monitoring
    network
    storageEndpoints
  ]
  params: {
    planName: 'plan-restore-${token}'
    appName: appName
    location: location
    tags: allTags
    identityId: identityId
    storageAccountName: storageAccountName
    applicationInsightsName: applicationInsightsName
    queueNames: queueNames
    settingOverrides: settingOverrides
    paused: paused
    instanceMemoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    subnetId: vnetEnabled ? appSubnet : ''
  }
}

module appEndpoint 'modules/private-endpoint.bicep' = if (vnetEnabled) {
  name: 'endpoint-sites'
  scope: resourceGroup(groupName)
  dependsOn: [
    app
    dnsZones
    network
  ]
  params: {
    name: 'pe-restore-${token}-sites'
    location: location
    tags: allTags
    subnetId: endpointSubnet
    targetId: appId
    service: 'sites'
    zoneId: zoneIds.?sites ?? ''
  }
}

// --- who may do what

module appAccess 'modules/app-access.bicep' = if (assignRoles) {
  name: 'app-access'
  scope: resourceGroup(groupName)
  dependsOn: [
    identity
    monitoring
    storage
  ]
  params: {
    identityId: identityId
    storageAccountName: storageAccountName
    applicationInsightsName: applicationInsightsName
  }
}

module queueAccess 'modules/queue-access.bicep' = if (assignRoles) {
  name: 'queue-access'
  scope: resourceGroup(groupName)
  dependsOn: [
    storage
  ]
  params: {
    storageAccountName: storageAccountName
    queueNames: queueNames
    senderIds: distinct(senderIds)
    consumerIds: distinct(consumerIds)
  }
}

// One definition in each resource group of vaults, unless a shared one is given.
module vaultRole 'modules/vault-role.bicep' = [
  for groupOfVaults in (assignRoles && empty(existingVaultRoleId) ? vaultGroups : []): {
    name: 'vault-role-${token}'
    scope: resourceGroup(split(groupOfVaults, '/')[2], split(groupOfVaults, '/')[4])
    params: {
      name: guid(groupOfVaults, toLower(identityId), 'azure-files-restore')
      token: token
    }
  }
]

// One deployment per vault, in the vault's own resource group and subscription.
module vaultAccess 'modules/vault-access.bicep' = [
  for vault in (assignRoles ? vaults : []): {
    name: 'vault-access-${uniqueString(vault.id, token)}'
    scope: resourceGroup(split(vault.id, '/')[2], split(vault.id, '/')[4])
    dependsOn: [
      identity
      vaultRole
    ]
    params: {
      vaultName: last(split(vault.id, '/'))
      identityId: identityId
      assignmentName: guid(toLower(vault.id), toLower(identityId), vault.roleDefinitionId)
      roleDefinitionId: vault.roleDefinitionId
    }
  }
]

// --- events and alerts

module eventSender 'modules/event-sender.bicep' = [
  for topicId in (assignRoles ? distinctTopicIds : []): {
    name: 'event-sender-${uniqueString(topicId, token)}'
    scope: resourceGroup(groupName)
    dependsOn: [
      storage
    ]
    params: {
      topicId: topicId
      storageAccountName: storageAccountName
      requestQueueName: requestQueueName
      keepUndeliveredEvents: keepUndeliveredEvents
    }
  }
]

// One deployment per topic, in the topic's own resource group and subscription.
module eventSubscription 'modules/event-subscription.bicep' = [
  for topicId in distinctTopicIds: {
    name: 'event-subscription-${uniqueString(topicId, token)}'
    scope: resourceGroup(split(topicId, '/')[2], split(topicId, '/')[4])
    dependsOn: [
      eventSender
      storage
    ]
    params: {
      topicName: last(split(topicId, '/'))
      subscriptionName: 'restore-${token}'
      storageAccountId: storageAccountId
      requestQueueName: requestQueueName
      keepUndeliveredEvents: keepUndeliveredEvents
    }
  }
]

module alert 'modules/alert.bicep' = if (!empty(alertFunctionKey)) {
  name: 'alert'
  scope: resourceGroup(groupName)
  dependsOn: [
    app
  ]
  params: {
    actionGroupName: 'ag-restore-${token}'
    tags: allTags
    appName: appName
    functionKey: alertFunctionKey
    webhookObjectId: alertWebhookObjectId
    webhookIdentifierUri: alertWebhookIdentifierUri
    sampleAccountId: sampleAlertAccountId
    samplePlan: sampleAlertPlan
    sampleEnabled: sampleAlertEnabled
  }
}

// --- what azd keeps in the environment

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = if (!empty(existingIdentityId)) {
  name: last(split(identityId, '/'))
  scope: resourceGroup(split(identityId, '/')[2], split(identityId, '/')[4])
}

var principalId = empty(existingIdentityId) ? identity!.outputs.principalId : appIdentity!.properties.principalId

output AZURE_RESOURCE_GROUP string = groupName
output RESTORE_APP_NAME string = appName
output RESTORE_STORAGE_ACCOUNT string = storageAccountName
output RESTORE_REQUEST_QUEUE string = requestQueueName
output RESTORE_COMPLETION_QUEUE string = completionQueueName
output RESTORE_IDENTITY_PRINCIPAL_ID string = principalId

output RESTORE_ROLES_TO_GRANT Grant[] = assignRoles
  ? []
  : concat(
      map(
        [
          { name: 'Storage Blob Data Owner', id: roles.storageBlobDataOwner, on: storageAccountId }
          { name: 'Storage Queue Data Contributor', id: roles.storageQueueDataContributor, on: storageAccountId }
          { name: 'Storage Table Data Contributor', id: roles.storageTableDataContributor, on: storageAccountId }
          { name: 'Monitoring Metrics Publisher', id: roles.monitoringMetricsPublisher, on: applicationInsightsId }
        ],
        role => {
          to: identityId
          roleName: role.name
          roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
          scope: role.on
        }
      ),
      map(vaults, vault => {
        to: identityId
        roleName: 'Azure Files restore'
        roleDefinitionId: existingVaultRoleId
        scope: vault.id
      }),
      map(distinct(senderIds), id => {
        to: id
        roleName: 'Storage Queue Data Message Sender'
        roleDefinitionId: subscriptionResourceId(
          'Microsoft.Authorization/roleDefinitions',
          roles.storageQueueDataMessageSender
        )
        scope: requestQueueId
      }),
      map(distinctTopicIds, id => {
        to: id
        roleName: 'Storage Queue Data Message Sender'
        roleDefinitionId: subscriptionResourceId(
          'Microsoft.Authorization/roleDefinitions',
          roles.storageQueueDataMessageSender
        )
        scope: requestQueueId
      }),
      map(keepUndeliveredEvents ? distinctTopicIds : [], id => {
        to: id
        roleName: 'Storage Blob Data Contributor'
        roleDefinitionId: subscriptionResourceId(
          'Microsoft.Authorization/roleDefinitions',
          roles.storageBlobDataContributor
        )
        scope: '${storageAccountId}/blobServices/default/containers/${deadLetterContainer}'
      }),
      map(distinct(consumerIds), id => {
        to: id
        roleName: 'Storage Queue Data Message Processor'
        roleDefinitionId: subscriptionResourceId(
          'Microsoft.Authorization/roleDefinitions',
          roles.storageQueueDataMessageProcessor
        )
        scope: '${storageAccountId}/queueServices/default/queues/${completionQueueName}'
      })
    )
