/** The destination that is the record: its log proves events, and retention reads its objects back. */
export const archiveDestination = 's3';
