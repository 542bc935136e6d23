/** Of the jobs that carry one audit event each. */
export const task = 'export_event';
