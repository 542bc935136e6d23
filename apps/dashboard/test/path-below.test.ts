import { expect, test } from 'vitest';
import { pathBelow } from '../src/place/path-below.ts';

test.each([
  ['/ui', '/ui', '/'],
  ['/ui/', '/ui', '/'],
  ['/ui/events/1', '/ui', '/events/1'],
  ['/auditbox/ui/objects/teams/a%2Fb', '/auditbox/ui', '/objects/teams/a%2Fb'],
  ["/it's/ui/keys", '/it%27s/ui', '/keys'],
  ['/caf%c3%a9/ui', '/caf%C3%A9/ui', '/'],
  // Without the proxy in front.
  ['/ui/keys', '/auditbox/ui', '/keys'],
  ['/uifoo', '/ui', '/uifoo'],
  ['/%zz/ui', '/ui', '/%zz/ui'],
])('%s below %s is the screen %s', (pathname, root, path) => {
  expect(pathBelow(pathname, root)).toBe(path);
});
