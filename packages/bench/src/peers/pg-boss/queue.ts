/** Of the jobs that carry one audit event each. */
export const queue = 'audit-export';
