// The function app on Flex Consumption, and every setting of it.
import { AlwaysReady, QueueNames, SettingOverrides, Tags } from '../types.bicep'
import { packageContainer, storageSuffix } from '../types.bicep'

param planName string
param appName string
param location string
param tags Tags

@description('ARM id of the app\'s identity.')
param identityId string

param storageAccountName string
param applicationInsightsName string
param queueNames QueueNames
param settingOverrides SettingOverrides

@description('Accept and follow, but start nothing.')
param paused bool

param instanceMemoryMB int
param maximumInstances int
param alwaysReady AlwaysReady[]
param zoneRedundant bool

@description('The subnet that the app calls from; empty: none, and the app is open to the internet.')
param subnetId string

// Synchronous functions run in the worker's threads. The host hands over up to 24 messages of a queue
// at once (host.json: batchSize 16 and newBatchThreshold 8), and the worker would run about 5 of
// them: the others would wait with their leases running. One thread for each.
var threads = 24

// What one instance takes over HTTP at once. The platform's default for Python is one, so that every
// second caller would start an instance; a call waits for storage most of its time. Less than the
// threads, so that a look at a request's state is not stuck behind the posting of others.
var httpConcurrency = 16

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: last(split(identityId, '/'))
  scope: resourceGroup(split(identityId, '/')[2], split(identityId, '/')[4])
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

var blobUri = 'https://${storageAccountName}.blob.${storageSuffix}/'
var queueUri = 'https://${storageAccountName}.queue.${storageSuffix}/'
var tableUri = 'https://${storageAccountName}.table.${storageSuffix}/'

// What the Functions host and its worker read. There is no connection string to storage among it: the
// identity is the only way in.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: blobUri
  AzureWebJobsStorage__queueServiceUri: queueUri
  AzureWebJobsStorage__tableServiceUri: tableUri
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  RestoreStorage__credential: 'managedidentity'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  // All of it. Newer exporters keep five traces a second by default, and drop the logs of the others.
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: '1.0'
  PYTHON_THREADPOOL_THREAD_COUNT: string(threads)
}

// What the app reads: the names of local.settings.sample.json, one line for each, with the app's
// own defaults. An empty value counts as not given.
var appSettings = {
  RestoreStorage__queueServiceUri: queueUri
  RestoreStorage__tableServiceUri: tableUri
  RestoreStorage__clientId: identity.properties.clientId
  RESTORE_REQUEST_QUEUE: queueNames.requests
  RESTORE_REQUEST_POISON_QUEUE: queueNames.poisonedRequests
  RESTORE_COMPLETION_QUEUE: queueNames.completions
  RESTORE_COMPLETION_ENCODING: 'none'
  RESTORE_EVENT_SOURCE: '/azure-files-restore'
  RESTORE_EVENT_ORIGINS: ''
  RESTORE_POLL_SCHEDULE: '*/15 * * * * *'
  AZURE_CLOUD: environment().name == 'AzureCloud'
    ? 'AzureCloud'
    : fail('This is for the public cloud, where Flex Consumption is offered.')
  RESTORE_ARM_ENDPOINT: ''
  RESTORE_ARM_API_VERSION: '2026-07-01'
  RESTORE_ARM_CLIENT_ID: identity.properties.clientId
  RESTORE_ARM_CONNECT_SECONDS: '10'
  RESTORE_ARM_ANSWER_SECONDS: '60'
  RESTORE_OPERATION_POLL_SECONDS: '5'
  RESTORE_JOB_POLL_SECONDS: '30'
  RESTORE_RETRY_BASE_SECONDS: '5'
  RESTORE_RETRY_MAX_SECONDS: '300'
  RESTORE_NAME_CACHE_SECONDS: '300'
  RESTORE_SWEEP_BUDGET_SECONDS: '240'
  RESTORE_SWEEP_THREADS: '8'
  RESTORE_ADOPTION_GRACE_SECONDS: '900'
  RESTORE_START_LIMIT_HOURS: '24'
  RESTORE_TRACKING_LIMIT_HOURS: '192'
  RESTORE_RETENTION_DAYS: '400'
  RESTORE_GUARDS: 'restore-guards.json'
  RESTORE_PLANS: 'restore-plans.json'
  RESTORE_DAILY_LIMIT_PER_SHARE: '20'
  RESTORE_DAILY_LIMIT_PER_VAULT: '0'
  RESTORE_EMERGENCY_RESERVE: '4'
  RESTORE_UNPROVEN_COPY_OPTIONS: 'false'
  RESTORE_PAUSED: toLower(string(paused))
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  // The second tag is how azd finds the app of the service `app` in azure.yaml.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: empty(subnetId) ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    // Nothing else here: Flex Consumption refuses most properties of other plans, ftpsState among
    // them (it has no FTP). tests/infra has the list.
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        // Of each function, and all HTTP functions count as one.
        maximumInstanceCount: maximumInstances
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: alwaysReady
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(hostSettings, appSettings, settingOverrides)
}

// Deploying takes a token, too: no user name and password opens the app's deployment endpoint.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}
