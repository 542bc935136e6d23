import type { S3ServiceException } from '@aws-sdk/client-s3';
import { roleOf } from './s3-credentials.ts';

/** A failed request as the SDK tells it. `role` is one that could not be assumed. */
export interface SinkFault {
  readonly status: number | null;
  readonly code: string;
  readonly message: string;
  readonly role: string | null;
}

/** What a captive portal or a wrong proxy looks like. */
export const noStore: SinkFault = {
  status: null,
  code: 'NoETag',
  message: "The answer was not a store's.",
  role: null,
};

export function toFault(error: unknown): SinkFault {
  const { name, message, code, $metadata } = error as Partial<S3ServiceException> & { code?: unknown };
  const status = $metadata?.httpStatusCode ?? null;
  // A network fault's errno says more than its name, which is "Error".
  return {
    status,
    code: typeof code === 'string' && status === null ? code : (name ?? 'Unknown'),
    message: message ?? '',
    role: roleOf(error),
  };
}
