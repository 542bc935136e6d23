import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { CreateDestination } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';

const options = z.strictObject({
  /** A path or a package, relative to the file that names it. TypeScript runs as it is. */
  module: z.string().min(1),
  /** For the module. Any value in it may be secret. */
  options: z.unknown().optional(),
});

/** A destination that somebody else wrote: the default export of a module. */
export const module: DestinationType<typeof options> = {
  options,
  secrets: ['options'],
  async create({ module: name, options: given, ...others }, tools) {
    const { relativeTo } = others as { readonly relativeTo?: string };
    const path = createRequire(relativeTo ?? import.meta.url).resolve(name);
    const { default: create } = (await import(pathToFileURL(path).href)) as { default?: unknown };
    if (typeof create !== 'function') throw new Error(`The default export of ${name} is not a function.`);
    return (create as CreateDestination)(given, tools);
  },
};
