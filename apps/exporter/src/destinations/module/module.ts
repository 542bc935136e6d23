import { createRequire, registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { CreateDestination } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';

const options = z.strictObject({
  /** A path or a package, relative to the file that names it. TypeScript runs as it is, but not below `node_modules`. */
  module: z.string().min(1),
  /** For the module. Any value in it may be secret. */
  options: z.unknown().optional(),
});

/** A destination that somebody else wrote: the default export of a module. */
export const module: DestinationType<typeof options> = {
  options,
  secrets: ['options'],
  async create({ module: name, options: given, ...others }, tools) {
    const { relativeTo = import.meta.filename } = others as { readonly relativeTo?: string };
    const create = findFunction(await load(name, relativeTo));
    if (create === null) throw new Error(`The default export of ${name} is not a function.`);
    return create(given, tools);
  },
};

const isPath = /^(?:\.{0,2}[\\/]|[A-Za-z]:[\\/])/;

/** A package is found as `import` in that file would find it: many have no entry for `require`, or another one. */
function load(name: string, relativeTo: string): Promise<Readonly<Record<string, unknown>>> {
  const url = isPath.test(name)
    ? pathToFileURL(createRequire(relativeTo).resolve(name)).href
    : resolvePackage(name, pathToFileURL(relativeTo).href);
  return import(url);
}

/** `import.meta.resolve` of another file. Node takes that file as its second argument only with a flag. */
function resolvePackage(name: string, parentURL: string): string {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => next(specifier, specifier === name ? { ...context, parentURL } : context),
  });
  try {
    return import.meta.resolve(name);
  } finally {
    hooks.deregister();
  }
}

/** The default export. A package that was compiled to CommonJS has it inside of another one. */
function findFunction({ default: exported }: Readonly<Record<string, unknown>>): CreateDestination | null {
  const inner = (exported as { readonly default?: unknown } | null | undefined)?.default;
  const found = [exported, inner].find((one) => typeof one === 'function');
  return (found as CreateDestination | undefined) ?? null;
}
