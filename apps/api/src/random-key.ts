import { type Setting, secret, textOf } from '@auditbox/process/settings.ts';
import type { z } from 'zod';

/** A setting that holds 32 random bytes as text. */
export function randomKey(about: { readonly meaning: string; readonly fallbackShown: string }): Setting<string> {
  const form = /^(?:[0-9a-fA-F]{64,}|[A-Za-z0-9_+/=-]{43,})$/;
  return secret(varied(textOf(form, '32 random bytes, such as `openssl rand -hex 32` prints', about)));
}

/** The length cannot prove that a text is random. One with few different characters certainly is not. */
function varied(setting: Setting<string>): Setting<string> {
  const isVaried = (text: string) => new Set(text).size >= 10;
  return {
    ...setting,
    schema: (setting.schema as z.ZodType<string, string>).refine(isVaried) as typeof setting.schema,
  };
}
