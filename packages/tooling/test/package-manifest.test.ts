import { expect, test } from 'vitest';
import { makeManifest } from '../package-manifest.ts';

/* What `npm run build:packages` writes for npm. packages/writer/test/packages.test.ts looks at what is packed. */

const source = {
  name: '@auditbox/example',
  version: '1.2.3',
  description: 'An example.',
  license: 'MIT',
  engines: { node: '>=20' },
};
const place = { entries: ['index'], directory: 'packages/example' };

test.each(['https://code.example.com/audit/auditbox', 'https://code.example.com/audit/auditbox.git/'])(
  'with the address %s of its repository a package can be published with provenance',
  (repositoryUrl) => {
    const manifest = makeManifest(source, { ...place, repositoryUrl });
    expect(manifest).toMatchObject({
      repository: {
        type: 'git',
        url: 'git+https://code.example.com/audit/auditbox.git',
        directory: 'packages/example',
      },
      publishConfig: { access: 'public', provenance: true },
    });
    expect(manifest).not.toHaveProperty('private');
  },
);

test.each([undefined, ''])('without an address (%j) a package is private', (repositoryUrl) => {
  const manifest = makeManifest(source, { ...place, repositoryUrl });
  expect(manifest).toMatchObject({ private: true });
  expect(manifest).not.toHaveProperty('repository');
});

test.each(['git@code.example.com:audit/auditbox', 'http://code.example.com/audit/auditbox', 'auditbox'])(
  'an address that is not https, %s, ends the build',
  (repositoryUrl) => {
    expect(() => makeManifest(source, { ...place, repositoryUrl })).toThrow(TypeError);
  },
);
