import type { SentinelSetup } from '@auditbox/testing/stubs/sentinel-double.ts';

/** A workspace as docs/destinations.md says to set it up. */
export const sentinelSetup: SentinelSetup = {
  tenantId: 't1',
  clientId: 'c1',
  clientSecret: 's3cret',
  scope: 'https://monitor.azure.com/.default',
  rule: `dcr-${'0123456789abcdef'.repeat(2)}`,
  stream: 'Custom-Audit',
  columns: {
    TimeGenerated: 'datetime',
    AuditId: 'string',
    OccurredAt: 'datetime',
    RecordedAt: 'datetime',
    Action: 'string',
    TableName: 'string',
    ObjectId: 'string',
    ChangedBy: 'string',
    Event: 'string',
  },
};

/** The entry of the configuration for a double at this URL. */
export function sentinelEntry(url: string): Readonly<Record<string, string>> {
  const { tenantId, clientId, clientSecret, rule, stream } = sentinelSetup;
  return { type: 'sentinel', url, authority: url, tenantId, clientId, clientSecret, rule, stream };
}
