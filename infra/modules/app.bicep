// The function app on Flex Consumption, and every setting of it.
param planName string
param appName string
param location string
param tags object
param identityName string
param storageAccountName string
param packageContainerName string
param applicationInsightsName string
param requestQueueName string
param completionQueueName string
param settingOverrides object
param instanceMemoryMB int

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// What the Functions host reads. There is no connection string to storage among it: the identity
// is the only way in.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  RestoreStorage__credential: 'managedidentity'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
}

// What the app reads: the names of local.settings.sample.json, one line for each, with the app's
// own defaults. An empty value counts as not given.
var appSettings = {
  RestoreStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  RestoreStorage__tableServiceUri: account.properties.primaryEndpoints.table
  RestoreStorage__clientId: identity.properties.clientId
  RESTORE_REQUEST_QUEUE: requestQueueName
  RESTORE_COMPLETION_QUEUE: completionQueueName
  RESTORE_COMPLETION_ENCODING: 'none'
  RESTORE_EVENT_SOURCE: '/azure-files-restore'
  RESTORE_EVENT_ORIGINS: ''
  RESTORE_POLL_SCHEDULE: '*/15 * * * * *'
  AZURE_CLOUD: environment().name
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
  RESTORE_PAUSED: 'false'
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
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
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
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
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: 40
        instanceMemoryMB: instanceMemoryMB
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(hostSettings, appSettings, settingOverrides)
}

// Deploying takes a token, too: no user name and password opens the app's deployment endpoint.
resource noPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [for endpoint in ['ftp', 'scm']: {
  parent: app
  name: endpoint
  properties: {
    allow: false
  }
}]

output name string = app.name
