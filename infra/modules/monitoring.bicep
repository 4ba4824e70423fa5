// Logs. Only a token of Entra ID may write them: the instrumentation key alone opens nothing.
import { Tags } from '../types.bicep'

param workspaceName string

@description('ARM id of a workspace that is there already; empty: one is made.')
param existingWorkspaceId string

@description('GB that the new workspace takes in a day; 0: no limit.')
@minValue(0)
param dailyCapGb int

param applicationInsightsName string
param location string
param tags Tags

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    // What comes after the limit of a day is lost, until the next day.
    workspaceCapping: dailyCapGb == 0 ? null : { dailyQuotaGb: dailyCapGb }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId
    DisableLocalAuth: true
  }
}
