// Alerts to the app: an action group that calls POST /api/alerts, and an alert rule to begin with.
// Can be deployed by itself, into the app's resource group, once the app is there.
import { Tags } from '../types.bicep'

param actionGroupName string
param tags Tags = {}
param appName string

@description('The key of the function behind POST /api/alerts. It becomes part of the webhook URL.')
@secure()
param functionKey string

@description('Object id of the Entra application that stands for the webhook; empty: no token is sent.')
param webhookObjectId string = ''

@description('Identifier URI of that application.')
param webhookIdentifierUri string = ''

@description('ARM id of the storage account that the sample alert watches; empty: no such rule.')
param sampleAccountId string = ''

@description('The plan that the sample alert names; empty: plans that match its name.')
param samplePlan string = ''

param sampleEnabled bool = false

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'restore'
    enabled: true
    webhookReceivers: [
      {
        name: 'restore'
        serviceUri: 'https://${app.properties.defaultHostName}/api/alerts?code=${uriComponent(functionKey)}'
        useCommonAlertSchema: true
        useAadAuth: !empty(webhookObjectId)
        objectId: empty(webhookObjectId) ? null : webhookObjectId
        identifierUri: empty(webhookObjectId) ? null : webhookIdentifierUri
        tenantId: empty(webhookObjectId) ? null : subscription().tenantId
      }
    ]
  }
}

// Counts deletions over REST: the portal, AzCopy, SDKs. SMB clients delete with other operations.
resource deletions 'Microsoft.Insights/metricAlerts@2026-01-01' = if (!empty(sampleAccountId)) {
  name: 'files-deleted-${uniqueString(sampleAccountId)}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Many files were deleted.'
    severity: 1
    enabled: sampleEnabled
    scopes: [
      '${sampleAccountId}/fileServices/default'
    ]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'deletions'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Storage/storageAccounts/fileServices'
          metricName: 'Transactions'
          dimensions: [
            {
              name: 'ApiName'
              operator: 'Include'
              values: [
                'DeleteFile'
              ]
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 1000
        }
      ]
    }
    actions: [
      {
        actionGroupId: actionGroup.id
        // These arrive as customProperties of the alert.
        webHookProperties: empty(samplePlan) ? null : { restorePlan: samplePlan }
      }
    ]
  }
}
