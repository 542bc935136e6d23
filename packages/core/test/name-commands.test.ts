import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { expect, test } from 'vitest';

test('in a clone a command stays as npm calls it', () => {
  expect(nameCommands('Run `npm run migrate`.', undefined)).toBe('Run `npm run migrate`.');
  expect(nameCommands('Run `npm run migrate`.', '')).toBe('Run `npm run migrate`.');
});

test.each([
  ['Run `npm run migrate`.', 'Run `auditbox migrate`.'],
  ['Run `npm run exporter -- --verify --repair`.', 'Run `auditbox exporter --verify --repair`.'],
  ['npm run verify-archive -- --pack DIR', 'auditbox verify --pack DIR'],
  ['npm run keys --', 'auditbox keys'],
  ['another process signs (npm run log).', 'another process signs (auditbox log).'],
  ['`npm run doctor`, then `npm run migrate -- --roles`', '`auditbox doctor`, then `auditbox migrate --roles`'],
])('in a container the command is one of the program: %s', (text, named) => {
  expect(nameCommands(text, 'auditbox')).toBe(named);
});
