/** What a package of this repository says about itself. */
export interface SourceManifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * The package.json that npm packs and publishes. npm's provenance names the repository, so without the repository's address the
 * package is private, and npm refuses to publish it.
 */
export function makeManifest(
  { name, version, description, license, engines, dependencies = {} }: SourceManifest,
  {
    entries,
    directory,
    repositoryUrl,
  }: { entries: readonly string[]; directory: string; repositoryUrl: string | undefined },
) {
  return {
    name,
    version,
    ...(!repositoryUrl && { private: true }),
    description,
    license,
    ...(repositoryUrl && { repository: { type: 'git', url: makeGitUrl(repositoryUrl), directory } }),
    type: 'module',
    sideEffects: false,
    engines,
    exports: {
      ...Object.fromEntries(
        entries.map((entry) => [
          entry === 'index' ? '.' : `./${entry}`,
          { types: `./${entry}.d.ts`, default: `./${entry}.js` },
        ]),
      ),
      './package.json': './package.json',
    },
    files: ['**/*.js', '**/*.d.ts'],
    publishConfig: { access: 'public', provenance: true },
    dependencies,
  };
}

/** As npm writes it: `git+https://…/name.git`. Throws TypeError for another address, which provenance would not accept. */
function makeGitUrl(address: string): string {
  const { protocol, href } = new URL(address);
  if (protocol !== 'https:')
    throw new TypeError(`PACKAGE_REPOSITORY_URL must begin with https://, and it is ${address}.`);
  return `git+${href.replace(/(\.git)?\/*$/, '')}.git`;
}
