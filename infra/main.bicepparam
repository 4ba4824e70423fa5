// The values of an azd environment: each parameter is a variable that `azd env set` sets, so that two
// environments share this file and nothing else. A list or an object is JSON text. A value of the
// wrong kind, or a setting that does not exist, is refused before anything is sent.
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')

param vaultIds = json(readEnvironmentVariable('RESTORE_VAULT_IDS', '[]'))
param senderIds = json(readEnvironmentVariable('RESTORE_SENDER_IDS', '[]'))
param consumerIds = json(readEnvironmentVariable('RESTORE_CONSUMER_IDS', '[]'))

param settingOverrides = json(readEnvironmentVariable('RESTORE_SETTING_OVERRIDES', '{}'))
param paused = bool(readEnvironmentVariable('RESTORE_PAUSED', 'false'))
param requestQueueName = readEnvironmentVariable('RESTORE_REQUEST_QUEUE', 'restore-requests')
param completionQueueName = readEnvironmentVariable('RESTORE_COMPLETION_QUEUE', 'restore-completions')

param storageSku = readEnvironmentVariable('RESTORE_STORAGE_SKU', 'Standard_ZRS')
param instanceMemoryMB = json(readEnvironmentVariable('RESTORE_INSTANCE_MEMORY_MB', '512'))
param maximumInstances = json(readEnvironmentVariable('RESTORE_MAXIMUM_INSTANCES', '4'))
param alwaysReady = json(readEnvironmentVariable('RESTORE_ALWAYS_READY', '[]'))
param zoneRedundant = bool(readEnvironmentVariable('RESTORE_ZONE_REDUNDANT', 'false'))

param eventTopicIds = json(readEnvironmentVariable('RESTORE_EVENT_TOPIC_IDS', '[]'))
param keepUndeliveredEvents = bool(readEnvironmentVariable('RESTORE_KEEP_UNDELIVERED_EVENTS', 'false'))
param alertFunctionKey = readEnvironmentVariable('RESTORE_ALERT_FUNCTION_KEY', '')
param alertWebhookObjectId = readEnvironmentVariable('RESTORE_ALERT_WEBHOOK_OBJECT_ID', '')
param alertWebhookIdentifierUri = readEnvironmentVariable('RESTORE_ALERT_WEBHOOK_IDENTIFIER_URI', '')
param sampleAlertAccountId = readEnvironmentVariable('RESTORE_SAMPLE_ALERT_ACCOUNT_ID', '')
param sampleAlertPlan = readEnvironmentVariable('RESTORE_SAMPLE_ALERT_PLAN', '')
param sampleAlertEnabled = bool(readEnvironmentVariable('RESTORE_SAMPLE_ALERT_ENABLED', 'false'))

param existingResourceGroup = readEnvironmentVariable('RESTORE_EXISTING_RESOURCE_GROUP', '')
param existingWorkspaceId = readEnvironmentVariable('RESTORE_EXISTING_WORKSPACE_ID', '')
param existingIdentityId = readEnvironmentVariable('RESTORE_EXISTING_IDENTITY_ID', '')
param existingVaultRoleId = readEnvironmentVariable('RESTORE_EXISTING_VAULT_ROLE_ID', '')
param assignRoles = bool(readEnvironmentVariable('RESTORE_ASSIGN_ROLES', 'true'))

param vnetEnabled = bool(readEnvironmentVariable('RESTORE_VNET_ENABLED', 'false'))
param appSubnetId = readEnvironmentVariable('RESTORE_APP_SUBNET_ID', '')
param endpointSubnetId = readEnvironmentVariable('RESTORE_ENDPOINT_SUBNET_ID', '')
param vnetAddressPrefix = readEnvironmentVariable('RESTORE_VNET_ADDRESS_PREFIX', '10.90.0.0/24')
param createDnsZones = bool(readEnvironmentVariable('RESTORE_CREATE_DNS_ZONES', 'false'))
param dnsZoneIds = json(readEnvironmentVariable('RESTORE_DNS_ZONE_IDS', '{}'))

param tags = json(readEnvironmentVariable('RESTORE_TAGS', '{}'))
param diagnostics = bool(readEnvironmentVariable('RESTORE_DIAGNOSTICS', 'false'))
param lockState = bool(readEnvironmentVariable('RESTORE_LOCK_STATE', 'false'))
param blobSoftDeleteDays = json(readEnvironmentVariable('RESTORE_BLOB_SOFT_DELETE_DAYS', '0'))
param dailyCapGb = json(readEnvironmentVariable('RESTORE_DAILY_CAP_GB', '0'))
