// Everything that a parameter can switch on, with nothing that exists already.
using '../../../infra/main.bicep'

param environmentName = 'everything'
param location = 'northeurope'
// Two vaults of one resource group, written in two ways, and one of another subscription, given twice. Topic
// and sender are given twice, too, in other letters: each gets its role once.
param vaultIds = [
  '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourceGroups/azurefiles/providers/Microsoft.RecoveryServices/vaults/azurefilesvault'
  '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourcegroups/AzureFiles/providers/Microsoft.RecoveryServices/vaults/secondvault'
  '/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/backup/providers/Microsoft.RecoveryServices/vaults/othervault'
  '/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/Backup/providers/Microsoft.RecoveryServices/vaults/OtherVault'
]
param senderIds = [
  '11111111-1111-4111-8111-111111111111'
  '44444444-4444-4444-8444-444444444444'
  'cccccccc-cccc-4ccc-8ccc-cccccccccccc'
  'CCCCCCCC-CCCC-4CCC-8CCC-CCCCCCCCCCCC'
]
param consumerIds = [
  '22222222-2222-4222-8222-222222222222'
]

// Each setting that may be overridden, with another value than its default.
param settingOverrides = {
  RESTORE_COMPLETION_ENCODING: 'base64'
  RESTORE_EVENT_SOURCE: '/azure-files-restore/everything'
  RESTORE_EVENT_ORIGINS: 'eventgrid.azure.net'
  RESTORE_POLL_SCHEDULE: '*/30 * * * * *'
  RESTORE_ARM_ENDPOINT: 'https://management.azure.com'
  RESTORE_ARM_API_VERSION: '2026-04-01'
  RESTORE_ARM_CONNECT_SECONDS: '11'
  RESTORE_ARM_ANSWER_SECONDS: '61'
  RESTORE_OPERATION_POLL_SECONDS: '6'
  RESTORE_JOB_POLL_SECONDS: '31'
  RESTORE_RETRY_BASE_SECONDS: '6'
  RESTORE_RETRY_MAX_SECONDS: '299'
  RESTORE_NAME_CACHE_SECONDS: '301'
  RESTORE_SWEEP_BUDGET_SECONDS: '241'
  RESTORE_SWEEP_THREADS: '9'
  RESTORE_ADOPTION_GRACE_SECONDS: '901'
  RESTORE_START_LIMIT_HOURS: '25'
  RESTORE_TRACKING_LIMIT_HOURS: '193'
  RESTORE_RETENTION_DAYS: '401'
  RESTORE_GUARDS: 'restore-guards.other.json'
  RESTORE_PLANS: 'restore-plans.other.json'
  RESTORE_DAILY_LIMIT_PER_SHARE: '21'
  RESTORE_DAILY_LIMIT_PER_VAULT: '1'
  RESTORE_EMERGENCY_RESERVE: '5'
  RESTORE_UNPROVEN_COPY_OPTIONS: 'true'
}
param paused = true
param requestQueueName = 'asked'
param completionQueueName = 'answered'

param storageSku = 'Standard_ZRS'
param instanceMemoryMB = 2048
param maximumInstances = 40
param alwaysReady = [
  { name: 'http', instanceCount: 2 }
  { name: 'function:accept_request', instanceCount: 2 }
  { name: 'function:accept_poisoned_request', instanceCount: 2 }
  { name: 'function:sweep_open_requests', instanceCount: 2 }
]
param zoneRedundant = true

param eventTopicIds = [
  '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourceGroups/pipelines/providers/Microsoft.EventGrid/topics/refresh'
  '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourcegroups/Pipelines/providers/Microsoft.EventGrid/topics/Refresh'
]
param keepUndeliveredEvents = true
param alertFunctionKey = 'the function key'
param alertWebhookObjectId = '55555555-5555-4555-8555-555555555555'
param alertWebhookIdentifierUri = 'api://restore'
param sampleAlertAccountId = '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourceGroups/azurefiles/providers/Microsoft.Storage/storageAccounts/afsaccount'
param sampleAlertPlan = 'deleted-files'
param sampleAlertEnabled = true

param vnetEnabled = true
param createDnsZones = true

param tags = {
  costCenter: '4711'
  owner: 'storage team'
}
param diagnostics = true
param lockState = true
param blobSoftDeleteDays = 14
param dailyCapGb = 5
