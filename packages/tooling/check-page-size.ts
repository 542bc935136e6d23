import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { buildPage } from '../../apps/dashboard/build.ts';

/* Builds the page, and fails when its scripts and styles became too large: somebody opens it over a train's network. */

const limitsKb = { all: 300, first: 200 };

await buildPage();
const dist = new URL('../../apps/dashboard/dist/', import.meta.url);
const document = await readFile(new URL('index.html', dist), 'utf8');
const names = (await readdir(new URL('assets/', dist))).filter((name) => /\.(js|css)$/.test(name));
const sizes = await Promise.all(
  names.map(async (name) => ({
    name,
    bytes: gzipSync(await readFile(new URL(`assets/${name}`, dist)), { level: 9 }).length,
  })),
);
const sum = (list: typeof sizes) => list.reduce((bytes, one) => bytes + one.bytes, 0) / 1024;
const all = sum(sizes);
// What the document names is loaded before anything is shown.
const first = sum(sizes.filter(({ name }) => document.includes(name)));
const line = `The page has ${all.toFixed(1)} KB of scripts and styles (gzip), ${first.toFixed(1)} KB of them at first.\n`;
if (all > limitsKb.all || first > limitsKb.first) {
  process.stderr.write(`${line}The limits are ${limitsKb.all} KB and ${limitsKb.first} KB.\n`);
  process.exitCode = 1;
} else process.stdout.write(line);
