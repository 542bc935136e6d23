import type { Request, Response } from 'express';
import { expect, test } from 'vitest';
import { readPathPrefix, removePrefix } from '../src/http/path-prefix.ts';

/* The path of PUBLIC_URL: what links begin with, and what a proxy may leave in front of the path of a request. */

test.each([
  ['https://h', ''],
  ['https://h/', ''],
  ['https://h/auditbox', '/auditbox'],
  ['https://h/auditbox/', '/auditbox'],
  ['https://h/a/b/', '/a/b'],
  ['https://h/a%20b', '/a%20b'],
  ['https://h/a b', '/a%20b'],
  ['https://h/caf\u00e9', '/caf%C3%A9'],
  ['https://h/caf%c3%a9', '/caf%C3%A9'],
  ['https://h/a/../b', '/b'],
  // Each means something in HTML, a script or a replacement.
  ["https://h/it's", '/it%27s'],
  ['https://h/a&copy', '/a%26copy'],
  ['https://h/$&', '/%24%26'],
])('the path of %s is "%s"', (url, prefix) => {
  expect(readPathPrefix(url)).toBe(prefix);
});

test.each([
  'https://h//auditbox',
  'https://h/auditbox//',
  'https://h/a//b',
  'https://h/a?b=1',
  'https://h/a?',
  'https://h/a#b',
  'https://user:password@h/a',
  'https://h/%zz',
  'https://h/%0d%0a',
])('%s is not an address that links can begin with', (url) => {
  expect(readPathPrefix(url)).toBeNull();
});

const firstParts = new Set(['audit', 'keys', 'me', 'docs', 'ui']);

test.each([
  ['/auditbox', '/auditbox/audit?page=1', '/audit?page=1'],
  ['/auditbox', '/audit?page=1', '/audit?page=1'],
  ['/auditbox', '/auditbox', '/'],
  ['/auditbox', '/auditbox/', '/'],
  ['/auditbox', '/auditbox?x=/auditbox/audit', '/?x=/auditbox/audit'],
  ['/auditbox', '/auditboxes/audit', '/auditboxes/audit'],
  ['/auditbox', '/auditbox//audit', '//audit'],
  ['/a%20b', '/a%20b/me', '/me'],
  ['/caf%C3%A9', '/caf%c3%a9/me', '/me'],
  ['/it%27s', "/it's/me", '/me'],
  // The path is also the beginning of routes. Both kinds of proxies work.
  ['/audit', '/audit/audit/stats?q=1', '/audit/stats?q=1'],
  ['/audit', '/audit/stats?q=1', '/audit/stats?q=1'],
  ['/audit', '/audit', '/audit'],
  ['/audit', '/audit/audit', '/audit'],
  ['/audit', '/audit/keys', '/keys'],
  ['/keys', '/keys/0198/rotate', '/keys/0198/rotate'],
  ['/docs', '/docs/start.js', '/docs/start.js'],
  ['/docs', '/docs/docs/start.js', '/docs/start.js'],
  ['', '/auditbox/audit', '/auditbox/audit'],
])('below "%s" the path %s is %s', (prefix, url, expected) => {
  const request = { url } as Request;
  removePrefix(prefix, firstParts)(request, {} as Response);
  expect(request.url).toBe(expected);
});
