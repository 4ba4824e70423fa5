// The types of parameters, and what several files need to agree on. Nothing is deployed from here.

@export()
@description('Tags by name.')
type Tags = { *: string }

@export()
@description('The functions of the app that can be kept ready: the group of all HTTP functions, or one other.')
type AlwaysReadyName =
  | 'http'
  | 'function:accept_request'
  | 'function:accept_poisoned_request'
  | 'function:sweep_open_requests'

@export()
@description('How many instances are kept ready for a function. They are paid for around the clock.')
@sealed()
type AlwaysReady = {
  name: AlwaysReadyName
  @minValue(1)
  instanceCount: int
}

@export()
@description('ARM ids of private DNS zones that exist already, by what is resolved in them.')
@sealed()
type DnsZoneIds = {
  blob: string?
  queue: string?
  table: string?
  sites: string?
}

@export()
@description('The names of the queues.')
@sealed()
type QueueNames = {
  requests: string
  poisonedRequests: string
  completions: string
}

@export()
@description('A role that somebody has to assign, where assignRoles is false.')
@sealed()
type Grant = {
  @description('Whom it is for: an object id, or the ARM id of an identity or a topic, which stands for its principal.')
  to: string
  roleName: string
  @description('Empty where the role has to be made first, by vault-role.bicep.')
  roleDefinitionId: string
  scope: string
}

@export()
@description('Settings that may differ from the defaults in modules/app.bicep. Those that follow from a parameter (queues, identity, pause) are not among them.')
@sealed()
type SettingOverrides = {
  RESTORE_COMPLETION_ENCODING: ('none' | 'base64')?
  RESTORE_EVENT_SOURCE: string?
  RESTORE_EVENT_ORIGINS: string?
  RESTORE_POLL_SCHEDULE: string?
  RESTORE_ARM_ENDPOINT: string?
  RESTORE_ARM_API_VERSION: string?
  RESTORE_ARM_CONNECT_SECONDS: string?
  RESTORE_ARM_ANSWER_SECONDS: string?
  RESTORE_OPERATION_POLL_SECONDS: string?
  RESTORE_JOB_POLL_SECONDS: string?
  RESTORE_RETRY_BASE_SECONDS: string?
  RESTORE_RETRY_MAX_SECONDS: string?
  RESTORE_NAME_CACHE_SECONDS: string?
  RESTORE_SWEEP_BUDGET_SECONDS: string?
  RESTORE_SWEEP_THREADS: string?
  RESTORE_ADOPTION_GRACE_SECONDS: string?
  RESTORE_START_LIMIT_HOURS: string?
  RESTORE_TRACKING_LIMIT_HOURS: string?
  RESTORE_RETENTION_DAYS: string?
  RESTORE_GUARDS: string?
  RESTORE_PLANS: string?
  RESTORE_DAILY_LIMIT_PER_SHARE: string?
  RESTORE_DAILY_LIMIT_PER_VAULT: string?
  RESTORE_EMERGENCY_RESERVE: string?
  RESTORE_UNPROVEN_COPY_OPTIONS: ('true' | 'false')?
}

// Built-in roles; their ids are the same in every tenant.
@export()
@description('Ids of the built-in roles that are assigned, and no others are.')
var roles = {
  // the package, and the host's leases and keys
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // take requests, put copies on the poison queue, send events
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // the records
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  // write logs
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  // add messages, nothing else
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  // peek, receive and delete messages, nothing else
  storageQueueDataMessageProcessor: '8a0f0c08-91a1-4084-bc3d-661d67233fed'
  // keep events that cannot be delivered; assigned on their own container alone
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
}

@export()
@description('What the app may do in a vault: the calls of the code, and no others. The narrowest built-in role (Backup Operator) may also write protected items.')
var vaultActions = [
  // find the protected item of a share
  'Microsoft.RecoveryServices/Vaults/backupProtectedItems/read'
  // choose a recovery point
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/read'
  // what a restore must carry where a Resource Guard protects the vault
  'Microsoft.RecoveryServices/Vaults/backupResourceGuardProxies/read'
  // restore
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/restore/action'
  // what became of the restore call
  'Microsoft.RecoveryServices/Vaults/backupOperations/read'
  // find and follow the job
  'Microsoft.RecoveryServices/Vaults/backupJobs/read'
  // cancel on request
  'Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action'
]

@export()
@description('The container of the app\'s package.')
var packageContainer = 'app-package'

@export()
@description('The container of events that Event Grid could not deliver.')
var deadLetterContainer = 'undelivered-events'

@export()
@description('The end of the names of storage services. A constant, so that each address is known before a deployment; modules/app.bicep refuses other clouds.')
#disable-next-line no-hardcoded-env-urls
var storageSuffix = 'core.windows.net'
