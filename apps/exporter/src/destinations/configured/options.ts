import { isLoopback } from '@auditbox/core/is-loopback.ts';
import { type KnownFile, readKnownFile } from '@auditbox/process/reread-files.ts';
import { z } from 'zod';

/** Options that several destinations have. */

/** An https URL. Plain http is accepted on loopback only. */
export const destinationUrl = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
    'must be an https URL, or http on loopback',
  )
  .refine(
    (text) => !URL.canParse(text) || new URL(text).protocol === 'https:' || isLoopback(new URL(text)),
    'must be https; plain http is accepted on loopback only, because events and tokens would be readable on the way',
  )
  .refine(
    (text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''),
    'must not hold a user or a password; use headers',
  )
  // In the form that the client expects: HTTPS:// is https:// too.
  .transform((text) => new URL(text).href);

/** A URL to which paths are added. */
export const baseUrl = destinationUrl
  .refine((text) => !/[?#]/.test(text), 'must not have a query or a fragment, because paths are added to it')
  .transform((text) => text.replace(/\/+$/, ''));

/** A secret from a file often ends in a line break, with which it is another secret. */
export const secretText = z
  .string()
  .min(1, 'must not be empty')
  .regex(/^[^\r\n]*$/, 'must not hold a line break');

/** What Node accepts in a header. */
const headerText = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must not hold a line break or another character that no header can have');

/** A secret that is sent in a header. */
export const headerSecret = headerText.min(1, 'must not be empty');

/** How a request is framed and its connection is used. */
const ownHeaders = /^(content-length|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect)$/i;

/** Headers of every request. Their values are secret. */
export const headersOption = z
  .record(z.string().regex(/^[\w-]+$/), headerText)
  .superRefine((headers, context) => {
    const names = Object.keys(headers);
    for (const [index, name] of names.entries()) {
      const isRepeated = names.slice(0, index).some((other) => other.toLowerCase() === name.toLowerCase());
      if (isRepeated) context.addIssue({ code: 'custom', path: [name], message: 'must not be set twice' });
      if (ownHeaders.test(name)) context.addIssue({ code: 'custom', path: [name], message: 'the exporter sets it' });
    }
  })
  .default({});

const pemFile = z.string().transform((path, context): KnownFile => {
  try {
    const file = readKnownFile(path);
    if (file.text.includes('-----BEGIN ')) return file;
  } catch {}
  context.addIssue({ code: 'custom', message: 'must be the path of a file in PEM that can be read' });
  return z.NEVER;
});

/** Authorities to trust, and a client certificate. A running exporter reads the files again when they have changed. */
export const tlsOptions = {
  ca: pemFile.optional(),
  cert: pemFile.optional(),
  key: pemFile.optional(),
};

/** Smaller requests than the receiver's limits. */
export const requestLimits = {
  maxRows: z.int().min(1).max(100_000).optional(),
  maxBytes: z.int().min(1_024).max(67_108_864).optional(),
};
